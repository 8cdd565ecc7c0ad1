"""`medweave schedule` on this machine, from the command line to the crontab and what is kept."""

import sys

import pytest

from medweave import cli
from medweave.commands import options
from medweave.scheduling import find_job, jobs


@pytest.fixture
def medweave(crontab, tmp_path, monkeypatch, capfd):
    """Call `medweave schedule` in a folder with the configs a.yaml and b.yaml; returns exit status and errors."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"task: {name}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(options, "_debug", False)

    def run(*arguments):
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["medweave", "schedule", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capfd.readouterr().err

    return run


def test_a_refused_schedule_leaves_the_one_that_is_there(medweave, crontab):
    assert medweave("--config", "a.yaml", "--cron", "0 3 * * 0", "--name", "weekly")[0] == 0
    before = crontab.read_text(), jobs()
    status, said = medweave("--config", "b.yaml", "--cron", "15 4 * * 1", "--name", "weekly")
    assert (status, said.count("\n")) == (2, 1)
    assert "weekly: is the schedule that retrains for" in said
    assert (crontab.read_text(), jobs()) == before


def test_what_cannot_be_started_is_not_kept(medweave, programs):
    programs("crontab", "#!/bin/sh\nexit 1\n")
    assert medweave("--config", "a.yaml", "--cron", "0 3 * * 0")[0] == 2
    assert jobs() == []


def test_changes_from_another_folder_leave_it_where_it_was_made(medweave, crontab, tmp_path, monkeypatch):
    assert medweave("--config", "a.yaml", "--cron", "0 3 * * 0")[0] == 0
    before = crontab.read_text()
    monkeypatch.chdir("/")
    for change in (["update", "--cron", "15 4 * * 1"], ["pause"], ["resume"], ["update", "--cron", "0 3 * * 0"]):
        assert medweave(change[0], "a", *change[1:])[0] == 0
        assert find_job("a").folder == str(tmp_path)
    assert crontab.read_text() == before


def test_it_runs_in_its_folder_from_wherever_it_is_started(medweave, tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text("task: a\ndata: {root: images of a}\n")
    assert medweave("--config", "a.yaml", "--cron", "0 3 * * 0")[0] == 0
    monkeypatch.chdir("/")
    status, said = medweave("run", "a")
    assert (status, f"{tmp_path}/images of a: no such folder" in said) == (2, True), said


@pytest.mark.parametrize("name", ["", "../weekly", "Weekly", "a b", "weekly\n", "ä", "-x", "a" * 64])
def test_an_odd_name_is_refused(medweave, crontab, name):
    status, said = medweave("--config", "a.yaml", "--cron", "0 3 * * 0", "--name", name)
    assert (status, said.count("\n")) == (2, 1)
    assert "is no name; write up to 63 of a-z, 0-9, _ and -" in said
    assert (crontab.read_text(), jobs()) == ("5 5 * * * backup\n", [])
