from datetime import UTC, datetime

from medweave.monitoring.metrics import exposition
from medweave.monitoring.versions import Version
from tests.monitoring.conftest import batch, column

MADE = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_last_batch_the_labels_and_the_champion_are_told():
    versions = [
        Version(1, MADE, True, True, datetime(2026, 1, 2, tzinfo=UTC), 0.5, 0.4, {"weak": (60, 100)}),
        Version(2, MADE, False, False, None, None, None, {"weak": (61, 100)}),
    ]
    text = exposition("tiny", [batch(0), batch(1, "drift", [column("image.noise", effect=-0.5)])], versions)
    lines = text.splitlines()
    assert lines[:3] == [
        "# HELP medweave_verdict Verdict on the last batch: 0 ok, 1 watch, 2 drift.",
        "# TYPE medweave_verdict gauge",
        'medweave_verdict{task="tiny"} 2.0',
    ]
    for line in (
        'medweave_batches{task="tiny",verdict="ok"} 1.0',
        'medweave_drift_effect{task="tiny",column="image.noise",against="training"} -0.5',
        'medweave_labels{task="tiny",source="weak",decision="accepted"} 61.0',
        'medweave_labels{task="tiny",source="weak",decision="not_accepted"} 39.0',
        'medweave_version_dice{task="tiny",version="1"} 0.5',
        'medweave_champion_version{task="tiny"} 1.0',
        f'medweave_champion_timestamp_seconds{{task="tiny"}} {datetime(2026, 1, 2, tzinfo=UTC).timestamp()!r}',
    ):
        assert line in lines
    assert text.endswith("\n") and 'version_dice{task="tiny",version="2"}' not in text


def test_before_the_first_batch_there_is_little_and_values_are_escaped():
    assert exposition("tiny", [], []).count("# HELP") == 1
    assert r'column="a\"b\\c"' in exposition("tiny", [batch(0, columns=[column('a"b\\c')])], [])
