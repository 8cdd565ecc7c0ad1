from datetime import UTC, datetime

from medweave.monitoring import Reviewed, RunState
from medweave.monitoring.metrics import exposition
from medweave.monitoring.versions import Version
from tests.monitoring.conftest import batch, column

REVIEWED = {"b000": Reviewed(3, 0.75)}
RUNS = [RunState("training", "failed", 5.0)]
MADE = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_last_batch_the_labels_and_the_champion_are_told():
    versions = [
        Version(1, MADE, True, True, datetime(2026, 1, 2, tzinfo=UTC), 0.5, 0.4, {"weak": {"accept": 60.0}}),
        Version(2, MADE, False, False, None, None, None, {"weak": {"accept": 61.0, "review": 30.0, "reject": 9.0}}),
    ]
    text = exposition(
        "tiny", [batch(0), batch(1, "drift", [column("image.noise", effect=-0.5)])], versions, REVIEWED, RUNS
    )
    lines = text.splitlines()
    assert lines[:3] == [
        "# HELP medweave_verdict Verdict on the last batch: 0 ok, 1 watch, 2 drift.",
        "# TYPE medweave_verdict gauge",
        'medweave_verdict{task="tiny"} 2.0',
    ]
    for line in (
        'medweave_batches{task="tiny",verdict="ok"} 1.0',
        'medweave_drift_effect{task="tiny",column="image.noise",against="training"} -0.5',
        'medweave_labels{task="tiny",source="weak",decision="accept"} 61.0',
        'medweave_labels{task="tiny",source="weak",decision="reject"} 9.0',
        'medweave_version_dice{task="tiny",version="1"} 0.5',
        'medweave_true_dice{task="tiny"} 0.75',
        'medweave_reviewed_images{task="tiny"} 3.0',
        'medweave_run_state{task="tiny",pipeline="training",state="failed"} 1.0',
        'medweave_run_state{task="tiny",pipeline="training",state="completed"} 0.0',
        'medweave_run_timestamp_seconds{task="tiny",pipeline="training"} 5.0',
        'medweave_champion_version{task="tiny"} 1.0',
        f'medweave_champion_timestamp_seconds{{task="tiny"}} {datetime(2026, 1, 2, tzinfo=UTC).timestamp()!r}',
    ):
        assert line in lines
    assert text.endswith("\n") and 'version_dice{task="tiny",version="2"}' not in text


def test_before_the_first_batch_there_is_little_and_values_are_escaped():
    assert exposition("tiny", [], [], {}, []).count("# HELP") == 1
    assert r'column="a\"b\\c"' in exposition("tiny", [batch(0, columns=[column('a"b\\c')])], [], {}, [])
