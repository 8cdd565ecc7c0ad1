"""How a run's failure is told, and what a completed one says."""

from pathlib import Path

import pytest

from medweave.errors import InputError, RunError
from pipelines.launch import describe, explain, new_name


def no_space_left() -> str:
    try:
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")
    except OSError as error:
        return str(error)
    raise AssertionError


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_the_users_to_mend():
    error = explain("builtins.OSError", no_space_left())
    assert isinstance(error, InputError)
    assert "No space left on device" in str(error)
    assert "free space" in str(error)


def test_an_input_error_of_a_step_keeps_its_words():
    for source in ("medweave.errors.InputError", "medweave.data.images.UnreadableImageError"):
        error = explain(source, "scan.png: is truncated; copy it again")
        assert isinstance(error, InputError)
        assert str(error) == "scan.png: is truncated; copy it again"


def test_a_run_error_of_a_step_keeps_its_words():
    error = explain("medweave.errors.RunError", "the loss is not finite")
    assert isinstance(error, RunError)
    assert str(error) == "the loss is not finite"


@pytest.mark.parametrize("message", ["[Errno 2] No such file or directory: 'x'", "shapes differ", "errno 28"])
def test_any_other_failure_is_the_runs_and_names_its_kind(message):
    error = explain("builtins.RuntimeError", message)
    assert isinstance(error, RunError)
    assert str(error) == f"RuntimeError: {message}"


def test_a_full_or_locked_store_says_where_it_is():
    error = explain("sqlalchemy.exc.OperationalError", "(sqlite3.OperationalError) database or disk is full")
    assert isinstance(error, InputError)
    assert "MEDWEAVE_HOME" in str(error)


def test_the_last_lines_have_the_numbers():
    dice = {"mean": 0.61234, "ci95": [0.5, 0.7]}
    summary = {
        "data": {"gold": 25, "unlabeled": 100, "synthetic": 0, "test": 120, "rejected": 0},
        "warnings": 0,
        "labels": {
            "weak": {"made": 100, "accepted": 61, "review": 22, "rejected": 17},
            "synthetic": {"made": 29, "accepted": 20, "review": 6, "rejected": 3},
        },
        "test": {"gold_only": {"dice": dice}, "final": {"dice": dice}},
        "delta": {"dice": {"mean": 0.0, "ci95": [-0.1, 0.1]}},
        "model": {"name": "medweave-x", "version": 3, "reason": "Promoted: it is better."},
    }
    lines = describe(summary, Path("out"))
    assert lines[1] == "weak labels: 100 made, 61 accepted, 22 to review, 17 rejected"
    assert lines[2].startswith("test Dice: gold only 0.612 [0.500, 0.700]")
    assert "version 3" in lines[3]
    assert lines[-1] == "report: out/report.html"
    assert not any("synthetic" in line for line in lines)
    summary["data"]["rejected"] = 3
    assert describe(summary, Path("out"))[1] == "set aside: 3 files, see out/validation.html"
    summary["warnings"] = 4
    assert describe(summary, Path("out"))[2] == "4 warnings about the data, see out/validation.html"
    summary["data"]["rejected"], summary["warnings"] = 0, 1
    assert describe(summary, Path("out"))[1] == "1 warning about the data, see out/validation.html"
    summary["warnings"] = 0
    summary["data"]["synthetic"] = 29
    assert describe(summary, Path("out"))[2] == "synthetic images: 29 passed their checks, 20 accepted"


def test_runs_that_begin_in_the_same_second_have_names_of_their_own():
    assert len({new_name("busi") for _ in range(100)}) == 100
