"""The wheel has all that a run needs, and runs without the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("medweave", "pipelines", "steps", "materializers")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """The folder of an unpacked wheel, as installing makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def files(root: Path, below: str) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in (root / below).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_each_file_of_the_packages_and_the_configs(unpacked):
    expected = set().union(*(files(ROOT, package) for package in PACKAGES))
    expected |= {f"medweave/{name}" for name in files(ROOT, "configs")}
    assert "medweave/configs/demo.yaml" in expected
    found = files(unpacked, ".")
    assert {name for name in found if ".dist-info/" not in name} == expected
    assert [name.split("/")[1] for name in found if name.endswith("LICENSE")] == ["licenses"]


def test_what_is_unpacked_runs_away_from_the_checkout(unpacked, tmp_path):
    code = """
import medweave, materializers, pipelines.training, steps
from medweave.config import Segmentation, load_settings
from medweave.config.loading import demo_config
from medweave.segmentation.networks import architecture_of, pretrained_or_random
print(*(package.__file__ for package in (medweave, pipelines, steps, materializers)))
print(load_settings(demo_config()).task, demo_config())
print(pretrained_or_random(architecture_of(Segmentation(), 1), None)[1])
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(unpacked), "MEDWEAVE_HOME": str(tmp_path / "home")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    packages, config, weights = ended.stdout.splitlines()
    assert packages.split() == [str(unpacked / package / "__init__.py") for package in PACKAGES]
    assert config == f"demo {unpacked / 'medweave' / 'configs' / 'demo.yaml'}"
    assert weights.startswith("drawn scenes (")
