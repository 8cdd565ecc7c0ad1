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
    assert capsys.readouterr().err.splitlines() == ["  train 2/4 0.2/s, 11 s left loss 2", "  train: 3 in 11.0 s"]


@pytest.mark.parametrize(
    ("total", "left"), [(30, "40 s left"), (70, "2 min left"), (10_010, "5.6 h left"), (1_010, "33 min left")]
)
def test_the_rate_and_the_time_left_are_of_what_was_done_here(capsys, monkeypatch, total, left):
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.task("label", total, done=4, unit="images") as shown:
        shown.skip(1)
        now = 110.0
        shown.advance(5)  # half an image a second
    done = capsys.readouterr().err.splitlines()
    assert done == [f"  label 10/{total} 0.5 images/s, {left}", "  label: 10 in 10.0 s (0.5 images/s)"]


def test_what_was_there_before_has_no_rate(capsys):
    with progress.task("label", 5, unit="images") as shown:
        shown.skip(5)
    assert capsys.readouterr().err.startswith("  label: 5 in 0.0 s\n")


def test_quiet_says_nothing(capsys):
    progress.configure(quiet=True)
    progress.say("hello")
    with progress.task("label", 1) as shown:
        shown.advance()
    assert capsys.readouterr().err == ""


def test_a_failure_goes_through():
    with pytest.raises(ValueError, match="broken"), progress.task("label", 1):
        raise ValueError("broken")
