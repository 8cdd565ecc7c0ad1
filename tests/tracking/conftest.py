import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from medweave.config import Tracking
from medweave.tracking import RunRecord, connect, log_run

FIRST_USE = """
import socket

def refuse(*args, **kwargs):
    print("network:", args)
    raise OSError("no network in this test")

socket.getaddrinfo = socket.socket.connect = refuse

from medweave.config import Tracking
from medweave.tracking import RunRecord, connect, log_run

log_run(connect(Tracking()), RunRecord("first"))
"""


@dataclass(frozen=True)
class FirstUse:
    output: str
    home: Path
    left_in_working_directory: list[str]


@pytest.fixture(scope="session")
def first_use(tmp_path_factory):
    """A process that uses the embedded store for the first time, in an environment that states nothing."""
    home, cwd = tmp_path_factory.mktemp("home") / "made on use", tmp_path_factory.mktemp("cwd")
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd), "MEDWEAVE_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", FIRST_USE], cwd=cwd, env=env, capture_output=True, text=True)
    return FirstUse(done.stdout + done.stderr, home, [path.name for path in cwd.iterdir()])


@pytest.fixture
def home(tmp_path, monkeypatch, first_use):
    """A home with an embedded store that is set up already; the working directory stays free of MLflow's files."""
    home, cwd = tmp_path / "a home", tmp_path / "cwd"
    home.mkdir()
    cwd.mkdir()
    shutil.copy(first_use.home / "mlflow.db", home)
    monkeypatch.setenv("MEDWEAVE_HOME", str(home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(cwd)
    yield home
    assert list(cwd.iterdir()) == []


@pytest.fixture
def client(home):
    return connect(Tracking())


@pytest.fixture
def run_id(client):
    return log_run(client, RunRecord("demo"))


@pytest.fixture
def segmenter(tmp_path):
    folder = tmp_path / "final"
    folder.mkdir()
    (folder / "card.json").write_text('{"format": 1}')
    (folder / "member-0.safetensors").write_bytes(b"weights")
    return folder
