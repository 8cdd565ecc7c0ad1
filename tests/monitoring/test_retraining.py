from medweave.config import Monitoring
from medweave.monitoring import decide_retraining
from tests.monitoring.conftest import batch, column

ON = Monitoring(retrain=True, cooldown_days=14)
AREA, BRIGHT = column(level="drift"), column("image.brightness", "drift")


def drift(week, *columns, **facts):
    return batch(week, "drift", list(columns), **facts)


def test_a_drift_starts_a_retraining_and_says_why(store):
    decided = decide_retraining(store, drift(0, AREA, BRIGHT), ON)
    assert decided.start
    assert decided.reason == "drift in image.brightness higher, label.area_share higher"


def test_only_a_drift_starts_one_and_only_if_it_is_asked_for(store):
    assert decide_retraining(store, batch(0, "watch"), ON).reason == "the batch is watch"
    assert decide_retraining(store, drift(0, AREA), Monitoring()).reason == "monitoring.retrain is off"
    assert decide_retraining(store, drift(0, AREA), ON).start


def test_one_cause_starts_one_retraining_until_there_is_another_champion(store):
    assert decide_retraining(store, drift(0, AREA), ON).start
    assert decide_retraining(store, drift(9, AREA), ON).reason == "it was started before for this cause"
    assert decide_retraining(store, drift(9, AREA, champion="models:/medweave-tiny/2"), ON).start


def test_another_cause_waits_until_the_last_one_has_cooled_down(store):
    assert decide_retraining(store, drift(0, AREA), ON).start
    assert "not before 2026-01-19" in decide_retraining(store, drift(1, BRIGHT), ON).reason
    assert decide_retraining(store, drift(2, BRIGHT), ON).start
