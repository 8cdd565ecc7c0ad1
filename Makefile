PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/installed
IMAGE ?= medweave
TAG ?= $(shell git rev-parse --short HEAD)

.PHONY: setup demo test soak check format lock benchmarks image

setup: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "uv==0.13.9"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

demo: setup
	$(BIN)/medweave demo

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not soak and not postgres" --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

soak: setup
	$(BIN)/python -m pytest -m "soak or postgres"

benchmarks: setup
	$(BIN)/python benchmarks/final_models.py

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:
	$(BIN)/uv pip compile pyproject.toml --extra dev --group services --universal --python-version 3.11 --generate-hashes \
		--no-header --quiet --output-file requirements.lock

image:
	docker build --file infra/docker/Dockerfile --target medweave --tag $(IMAGE):$(TAG) $(if $(BASE),--build-arg BASE=$(BASE)) .
	docker build --file infra/docker/Dockerfile --target services --tag $(IMAGE)-services:$(TAG) \
		$(if $(BASE),--build-arg BASE=$(BASE)) .
