"""Where a scheduled run finds itself: its folder, and the variables that home states."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from medweave.errors import InputError
from medweave.scheduling import surroundings

STATED = """# for scheduled runs

MEDWEAVE_WEBHOOK=https://example.org/hook?a=1&b=%20#c
AWS_REGION = "eu central"
ONE='
"""


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The file of variables in home; those that a test states are gone after it."""
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path))
    for name in ("MEDWEAVE_WEBHOOK", "AWS_REGION", "ONE"):
        monkeypatch.setenv(name, "of the shell")
    return tmp_path / "environment"


def test_a_run_is_in_its_folder_with_the_variables_of_home(environment, tmp_path, job):
    environment.write_text(STATED)
    before = Path.cwd()
    with surroundings(replace(job, folder=str(tmp_path))):
        assert Path.cwd() == tmp_path
        assert os.environ["MEDWEAVE_WEBHOOK"] == "https://example.org/hook?a=1&b=%20#c"
        assert (os.environ["AWS_REGION"], os.environ["ONE"]) == ("eu central", "'")
    assert Path.cwd() == before


def test_without_a_file_the_variables_stay(environment, tmp_path, job):
    with surroundings(replace(job, folder=str(tmp_path))):
        assert os.environ["AWS_REGION"] == "of the shell"


@pytest.mark.parametrize("line", ["AWS_REGION", "export AWS_REGION=eu", "=eu"])
def test_a_line_that_states_nothing_is_named(environment, tmp_path, job, line):
    environment.write_text(f"ONE=1\n{line}\n")
    with (
        pytest.raises(InputError, match=rf"^{environment}: line 2 is not NAME=value; mend it there$"),
        surroundings(replace(job, folder=str(tmp_path))),
    ):
        pass


def test_a_folder_that_is_gone_is_named(environment, tmp_path, job):
    gone = str(tmp_path / "gone")
    with (
        pytest.raises(InputError, match=rf"^weekly: its folder {gone} is gone; bring it back"),
        surroundings(replace(job, folder=gone)),
    ):
        pass
