"""Progress: lines off a terminal, nothing when quiet."""

import pytest

from medweave import progress


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    monkeypatch.setattr(progress, "_style", "lines")


def test_finished_work_is_one_line(capsys):
    with progress.task("label", 3) as shown:
        for _ in range(3):
            shown.advance()
    assert capsys.readouterr().err.startswith("  label: 3 in 0.")


def test_no_work_no_line(capsys):
    with progress.task("label", 0):
        pass
    assert capsys.readouterr().err == ""


def test_lines_come_every_few_seconds(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.task("train", 4) as shown:
        shown.advance(note="loss 1")
        now = 11.0
        shown.advance(note="loss 2")
        shown.advance(note="loss 3")
    assert capsys.readouterr().err.splitlines() == ["  train 2/4 loss 2", "  train: 3 in 11.0 s"]


def test_quiet_says_nothing(capsys):
    progress.configure(quiet=True)
    progress.say("hello")
    with progress.task("label", 1) as shown:
        shown.advance()
    assert capsys.readouterr().err == ""


def test_a_failure_goes_through():
    with pytest.raises(ValueError, match="broken"), progress.task("label", 1):
        raise ValueError("broken")
