"""A home of its own, and programs that stand for the machine's crontab and systemctl."""

import os
from pathlib import Path

import pytest

from medweave.scheduling import Job

CRONTAB = """#!/bin/sh
if [ "$1" = -l ]; then cat "{file}"; else cat > "{file}"; fi
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH with nothing but what a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat"):
        (folder / name).symlink_to(Path("/bin") / name)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def add(name: str, text: str) -> None:
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)

    return add


@pytest.fixture
def crontab(programs, tmp_path):
    """The file that `crontab` reads and writes; another's line is in it."""
    file = tmp_path / "crontab"
    file.write_text("5 5 * * * backup\n")
    programs("crontab", CRONTAB.format(file=file))
    return file


@pytest.fixture
def systemctl(programs, tmp_path):
    """The file that holds the calls of `systemctl`."""
    calls = tmp_path / "calls"
    programs("systemctl", f'#!/bin/sh\necho "$@" >> "{calls}"\n')
    return calls


@pytest.fixture
def job():
    return Job("weekly", "0 3 * * 0", f"{os.sep}tasks/a.yaml", ("seed=1",), "/output", "/tasks")
