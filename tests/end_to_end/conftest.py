"""A home folder for the session, the command line in this process, and one finished run of a tiny task."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from medweave import cli
from medweave.commands import options
from medweave.config import Phantoms
from medweave.data.phantoms import write_phantoms

TINY: dict[str, Any] = {
    "task": "tiny",
    "data": {"classes": ["lesion"]},
    "segmentation": {
        "image_size": 32,
        "architecture": "Unet",
        "decoder_channels": [16, 8, 8, 8, 8],
        "learning_rate": 2e-3,
        "augmentation": {"scale": [0.75, 1.35]},
        "folds": 2,
        "coarse_steps": 4,
        "final_steps": 4,
        "members": 1,
        "evaluations": 1,
        "batch_size": 4,
    },
    "evaluation": {"resamples": 100},
    "quality": {"accept": 0.0, "review": 0.0, "beat_coarse": False, "slack": 10.0},
    "promotion": {"min_test": 4},
    "compute": {"device": "cpu", "precision": "fp32", "threads": 1},
}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Trained:
    """A finished run: its config, its folder and its summary."""

    config: Path
    output: Path
    summary: dict[str, Any]


@pytest.fixture(scope="session", autouse=True)
def session_home(tmp_path_factory):
    """A home, with a real MLflow store, that this session's tests share."""
    folder = tmp_path_factory.mktemp("home")
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("MLFLOW_TRACKING", "MEDWEAVE_"))]:
        del os.environ[name]
    os.environ["MEDWEAVE_HOME"] = str(folder)
    yield folder
    os.environ.clear()
    os.environ.update(before)


def call(*arguments: object) -> int:
    """Run the command line in this process and return its exit status."""
    before = sys.argv
    sys.argv = ["medweave", *map(str, arguments)]
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv = before
        options._debug = False
    return 0


@pytest.fixture
def medweave(capfd):
    """Call the command line; what it printed is in the result."""

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        status = call(*arguments)
        printed = capfd.readouterr()
        return Ended(status, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def task_folder(tmp_path_factory) -> Path:
    """A task's folder of a few small phantoms."""
    folder = tmp_path_factory.mktemp("data") / "task"
    write_phantoms(folder, Phantoms(size=64, gold=8, unlabeled=6, test=6), seed=3)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory, task_folder) -> Trained:
    """A run of the tiny task that completed: the first in the session's home, so that nothing could be reused."""
    config = tmp_path_factory.mktemp("config") / "tiny.yaml"
    config.write_text(yaml.safe_dump({**TINY, "data": {**TINY["data"], "root": str(task_folder)}}))
    output = tmp_path_factory.mktemp("output")
    status = call("run", "--config", config, "--output", output)
    assert status == 0
    return Trained(config, output, json.loads((output / "summary.json").read_text()))


@pytest.fixture(scope="session")
def config(trained) -> Path:
    """The tiny task's configuration, for runs after the first."""
    return trained.config
