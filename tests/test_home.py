"""The home folder and the folders of work under way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from medweave.errors import InputError
from medweave.home import drop_finished, home, work_folder


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "home"))


def test_home_is_made_and_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDWEAVE_HOME", "relative")
    assert home() == tmp_path / "relative"
    assert home().is_dir()


def test_a_home_that_cannot_be_made_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(InputError, match="set MEDWEAVE_HOME to a folder of yours"):
        home()


def test_the_same_inputs_get_the_same_folder():
    with work_folder("label", "a", {"x": 1, "y": 2}) as one, work_folder("label", "a", {"y": 2, "x": 1}) as other:
        assert one == other
    with work_folder("label", "b", {"x": 1, "y": 2}) as third, work_folder("check", "a", {"x": 1, "y": 2}) as fourth:
        assert len({one, third, fourth}) == 3


@pytest.mark.parametrize(("ending", "stays"), [("pass", False), ("raise SystemExit(1)", True)])
def test_work_stays_when_the_stage_did_not_end_well(tmp_path, ending, stays):
    program = f"""
from medweave.home import work_folder
with work_folder("label", "a") as folder:
    (folder / "shard").write_text("done")
    print({json.dumps(str(tmp_path))} and folder)
    {ending}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=False)
    folder = done.stdout.strip()
    assert folder.startswith(str(home() / "work" / "label-"))
    assert Path(folder, "shard").exists() == stays


def test_only_what_has_ended_well_is_dropped():
    with work_folder("label", "ended") as ended:
        pass
    with pytest.raises(KeyError), work_folder("label", "failed") as failed:
        raise KeyError
    drop_finished()
    assert failed.is_dir() and not ended.exists()
