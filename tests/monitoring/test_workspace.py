import json
from datetime import UTC, datetime

from evidently.ui.workspace import Workspace

from medweave.monitoring import update_workspace
from medweave.monitoring.versions import Version
from medweave.monitoring.workspace import STAMP
from tests.monitoring.conftest import add, batch, column

VERSION = Version(1, datetime(2026, 1, 1, tzinfo=UTC), True, True, None, 0.5, 0.4, {"weak": (60, 100)})


def values(workspace, project):
    """Snapshot name to column to value, as Evidently reads them."""
    runs = [workspace.get_run(project.id, run) for run in workspace.list_runs(project.id)]
    return {
        run.name: {r.metric_value_location.metric.params["column"]: r.value for r in run.metric_results.values()}
        for run in runs
    }


def test_evidently_reads_a_project_with_a_snapshot_a_batch_and_a_version(store, settings):
    for week in range(3):
        add(store, batch(week, ("ok", "watch", "drift")[week], [column(effect=0.1 * week)]))
    workspace = Workspace(str(update_workspace(store, [VERSION], settings)))
    (project,) = workspace.list_projects()
    assert project.name == "tiny"
    found = values(workspace, project)
    assert set(found) == {"ok b000", "watch b001", "drift b002", "version 1"}
    assert found["drift b002"]["verdict"] == 2 and found["drift b002"]["effect label.area_share"] == 0.2
    assert found["watch b001"]["image.brightness"] == 0.101
    assert found["version 1"] == {"dice": 0.5, "gold_only": 0.4, "promoted": 1, "learned weak": 0.6}
    tabs = {tab.title: len(tab.panels) for tab in project.dashboard.model().tabs}
    assert tabs == {
        "Verdicts": 4, "Labels": 2, "Images": 2, "Decisions": 2, "Model": 2, "Retraining": 3, "Drift scores": 2,
    }  # fmt: skip


def test_damaged_old_and_superfluous_snapshots_are_made_again(store, settings):
    for week in range(2):
        add(store, batch(week))
    folder = update_workspace(store, [], settings)
    (stamp,) = folder.glob(f"*/{STAMP}")
    snapshots = sorted(stamp.parent.glob("snapshots/*.json"))
    before = [path.read_bytes() for path in snapshots]
    snapshots[0].write_bytes(before[0][:100])
    (stamp.parent / "snapshots" / "00000000-0000-0000-0000-000000000000.json").write_text("{}")
    update_workspace(store, [], settings)
    assert sorted(stamp.parent.glob("snapshots/*.json")) == snapshots
    assert all(json.loads(path.read_bytes()) for path in snapshots)
    stamp.write_text(json.dumps({"format": 0}))
    snapshots[1].write_text("{}")
    update_workspace(store, [], settings)
    assert len(json.loads(snapshots[1].read_bytes())) > 3


def test_what_is_there_already_is_not_made_again(store, settings):
    add(store, batch(0))
    folder = update_workspace(store, [], settings)
    (path,) = folder.glob("*/snapshots/*.json")
    before = path.stat().st_ino
    add(store, batch(1))
    update_workspace(store, [], settings)
    assert path.stat().st_ino == before and len(list(folder.glob("*/snapshots/*.json"))) == 2
