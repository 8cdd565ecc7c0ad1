"""The Dockerfile: hadolint's rules, what a restricted cluster asks for, and that the context holds what it copies."""

import inspect
import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from zenml.entrypoints.base_entrypoint_configuration import BaseEntrypointConfiguration

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "infra/docker/Dockerfile"


def stages() -> dict[str, list[str]]:
    """The instructions of each stage, continuation lines joined and comments left out."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, list[str]] = {"": []}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if line.startswith("FROM "):
            found[line.split()[-1]] = []
        else:
            found[list(found)[-1]].append(line)
    return found


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_has_nothing_to_say():
    ended = subprocess.run(["hadolint", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.parametrize("image", ["medweave", "services"])
def test_a_shipped_image_ends_as_a_user_that_kubernetes_can_tell_from_root(image):
    instructions = stages()[image]
    assert [line for line in instructions if line.startswith("USER ")] == ["USER 10001:10001"]
    assert 'ENTRYPOINT ["tini", "--"]' in instructions
    assert not any(line.startswith(("ADD ", "RUN ")) for line in instructions)


def test_the_folder_that_steps_change_to_is_there_although_their_root_is_read_only():
    code = inspect.getsource(BaseEntrypointConfiguration.prepare_code_environment)
    (folder,) = re.findall(r'os\.chdir\("(.+)"\)', code)
    assert f"WORKDIR {folder}" in stages()["medweave"]


def test_servers_are_healthy_while_they_listen():
    (line,) = [line for line in stages()["services"] if line.startswith("HEALTHCHECK ")]
    _, *arguments = json.loads(line[line.index("[") :])
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = str(server.getsockname()[1])

        def status():
            command = [sys.executable, *arguments]
            return subprocess.run(command, env={"HEALTH_PORT": port}, stderr=subprocess.DEVNULL, check=False).returncode

        assert status() == 1
        server.listen()
        assert status() == 0
    assert not any(line.startswith("HEALTHCHECK ") for line in stages()["medweave"])


def test_every_package_is_held_to_the_lock_and_its_hashes():
    installs = [line for lines in stages().values() for line in lines if "uv pip install" in line]
    assert [line for line in installs if "--constraint requirements.lock" not in line] == [
        "RUN uv pip install --no-deps ."
    ]


def test_the_tools_are_those_of_the_makefile():
    (makefile,) = re.findall(r"uv==[\d.]+", (ROOT / "Makefile").read_text())
    assert re.findall(r"uv==[\d.]+", DOCKERFILE.read_text()) == [makefile]


def test_the_context_lets_through_what_is_copied_and_nothing_else():
    copied = {
        source
        for lines in stages().values()
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    first, *rest = (ROOT / ".dockerignore").read_text().split()
    assert first == "*"
    assert {line.removeprefix("!") for line in rest if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)
