"""What is kept of schedules, and that a schedule never overlaps itself."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from medweave.errors import InputError
from medweave.scheduling import LastRun, check_name, find_job, held, jobs, last_run, remove_job, save_job


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path))


def test_a_job_is_found_again_changed_and_forgotten(job):
    save_job(job)
    save_job(replace(job, cron="0 4 * * *"))
    assert jobs() == [replace(job, cron="0 4 * * *")]
    last_run("weekly", LastRun("f", "Promoted."))
    assert last_run("weekly") == LastRun("f", "Promoted.")
    remove_job("weekly")
    assert (jobs(), last_run("weekly")) == ([], None)
    with pytest.raises(InputError, match="weekly: no such schedule on this machine; there are: none"):
        find_job("weekly")


@pytest.mark.parametrize(("output", "folder"), [("/a/output/busi", "/a"), ("/results/busi", None)])
def test_a_job_that_states_no_folder_has_that_of_its_output_or_this_one(job, tmp_path, monkeypatch, output, folder):
    monkeypatch.chdir(tmp_path)
    save_job(replace(job, output=output))
    (file,) = tmp_path.rglob("weekly.job.json")
    kept = json.loads(file.read_text())
    del kept["folder"]
    file.write_text(json.dumps(kept))
    assert jobs() == [replace(job, output=output, folder=folder or str(tmp_path))]


def test_a_name_belongs_to_one_configuration(job):
    save_job(job)
    for other in (replace(job, config="/tasks/b.yaml"), replace(job, images="/new")):
        with pytest.raises(InputError, match=r"weekly: is the schedule that retrains for /tasks/a\.yaml; choose"):
            check_name(other)
    check_name(replace(job, cron="0 4 * * *"))
    check_name(replace(job, config="/elsewhere/../tasks/a.yaml"))
    check_name(replace(job, name="daily", images="/new"))


def test_a_lock_is_given_back_when_its_process_dies():
    hold = """
import sys
from medweave.scheduling import held
with held("w") as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    with held("w") as mine:
        assert mine is False
    with held("other") as mine:
        assert mine is True
    process.kill()
    process.communicate()
    with held("w") as mine:
        assert mine is True
