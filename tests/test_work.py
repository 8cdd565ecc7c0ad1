"""Folders of work under way: the same for the same inputs, and there as long as the result is not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from medweave.home import home
from medweave.work import drop_finished, work_folder


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "home"))


def test_the_same_inputs_get_the_same_folder():
    with work_folder("label", "a", {"x": 1, "y": 2}) as one, work_folder("label", "a", {"y": 2, "x": 1}) as other:
        assert one == other
    with work_folder("label", "b", {"x": 1, "y": 2}) as third, work_folder("check", "a", {"x": 1, "y": 2}) as fourth:
        assert len({one, third, fourth}) == 3


@pytest.mark.parametrize(("ending", "stays"), [("pass", False), ("raise SystemExit(1)", True)])
def test_work_stays_when_the_stage_did_not_end_well(tmp_path, ending, stays):
    program = f"""
from medweave.work import work_folder
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


HOLDS = """
import sys
from medweave.work import work_folder
with work_folder("train", "a") as folder:
    (folder / "first").write_text("first")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_two_that_make_the_same_at_once_do_not_share_a_folder():
    def start():
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        other = subprocess.Popen([sys.executable, "-c", HOLDS], **pipes)
        return other, Path(other.stdout.readline().strip())

    first, of_first = start()
    second, of_second = start()
    assert of_first != of_second
    second.communicate()
    assert second.returncode == 0 and not of_second.exists() and (of_first / "first").exists()
    first.kill()
    first.communicate()
    with work_folder("train", "a") as folder:
        assert folder == of_first and (folder / "first").exists()
    drop_finished()
    assert list((home() / "work").iterdir()) == []


KILLED = """
import os, signal, time
import fsspec
from medweave import shared
from medweave.work import work_folder

shared.EVERY = 0.05
with work_folder("train", "a") as folder:
    print(sorted(path.name for path in folder.iterdir()))
    for name in ("first", "second"):
        (folder / name).write_text(name)
        (folder / f"{name}.part").write_text("half")
    files = fsspec.filesystem("s3")
    wanted = shared.shared_uri(folder / "second")
    while not files.exists(wanted):
        files.invalidate_cache()
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)
"""
ENDS = """
from medweave.work import drop_finished, work_folder
with work_folder("train", "a") as folder:
    print(sorted((path.name, path.read_text()) for path in folder.iterdir()))
drop_finished()
"""


def test_a_pod_elsewhere_goes_on_with_what_a_killed_one_had_finished(bucket, tmp_path):
    def pod(name, program):
        env = {**os.environ, "MEDWEAVE_HOME": str(tmp_path / name), "MEDWEAVE_SHARED": f"{bucket}/zenml/medweave"}
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, check=False)
        return done.returncode, done.stdout.strip(), done.stderr

    assert pod("one", KILLED)[0] == -9
    assert pod("two", ENDS) == (0, "[('first', 'first'), ('second', 'second')]", "")
    assert pod("three", ENDS) == (0, "[]", "")
    assert fsspec.filesystem("s3").find(f"{bucket}/zenml") == []
