"""The step between checked labels and training."""

import pytest

from medweave import progress
from medweave.config import Quality, Settings
from medweave.errors import RunError
from steps.check_drift import check_drift

AREA = {"feature": "area_share", "gold_median": 0.072, "median": 0.018, "way": "lower", "drifted": True}
DRIFT = {"drift": {"weak": [AREA], "weak accepted": [AREA]}, "skipped": {}}


def settings(on_drift):
    return Settings(task="any", quality=Quality(on_drift=on_drift))


def test_a_warning_is_a_line_a_source_that_names_the_page(capsys):
    progress.configure()
    check_drift.entrypoint(DRIFT, settings("warn"))
    words = "labels are unlike gold: area_share lower (median 0.018, gold 0.072); see labels.html"
    assert capsys.readouterr().err.splitlines() == [f"warning: weak {words}", f"warning: weak accepted {words}"]


def test_stop_ends_the_run_and_ignore_says_nothing(capsys):
    with pytest.raises(RunError, match="weak accepted labels are unlike gold"):
        check_drift.entrypoint(DRIFT, settings("stop"))
    check_drift.entrypoint(DRIFT, settings("ignore"))
    assert capsys.readouterr().err == ""
