import json
import threading
from datetime import UTC, datetime

from evidently.ui.service.storage.local import LocalState
from evidently.ui.service.storage.local.watcher import WorkspaceDirHandler
from evidently.ui.workspace import Workspace
from watchdog.observers import Observer

from medweave.config import Settings
from medweave.monitoring import Reviewed, shared_store, update_workspace
from medweave.monitoring.versions import Version
from medweave.monitoring.workspace import STAMP
from tests.monitoring.conftest import add, batch, column

MADE = {"weak": {"accept": 60.0, "review": 30.0, "reject": 10.0}}
VERSION = Version(1, datetime(2026, 1, 1, tzinfo=UTC), True, True, None, 0.5, 0.4, MADE, {"gold": {"area_share": 0.2}})


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
    workspace = Workspace(str(update_workspace(store, [VERSION], {"b001": Reviewed(3, 0.75)}, settings)))
    (project,) = workspace.list_projects()
    assert project.name == "tiny"
    found = values(workspace, project)
    assert set(found) == {"ok b000", "watch b001", "drift b002", "version 1"}
    assert found["drift b002"]["verdict"] == 2 and found["drift b002"]["effect label.area_share"] == 0.2
    assert found["watch b001"]["image.brightness"] == 0.101
    assert found["watch b001"]["true_dice"] == 0.75 and "true_dice" not in found["drift b002"]
    decided = {"decision weak/accept": 0.6, "decision weak/review": 0.3, "decision weak/reject": 0.1}
    assert found["version 1"] == {"dice": 0.5, "gold_only": 0.4, "promoted": 1, **decided, "run area_share/gold": 0.2}
    tabs = {tab.title: len(tab.panels) for tab in project.dashboard.model().tabs}
    assert tabs == {
        "Verdicts": 4, "Labels": 3, "Images": 2, "Decisions": 2, "Model": 3, "Retraining": 3, "Drift scores": 2,
    }  # fmt: skip


def test_damaged_old_and_superfluous_snapshots_are_made_again(store, settings):
    for week in range(2):
        add(store, batch(week))
    folder = update_workspace(store, [], {}, settings)
    (stamp,) = folder.glob(f"*/{STAMP}")
    snapshots = sorted(stamp.parent.glob("snapshots/*.json"))
    before = [path.read_bytes() for path in snapshots]
    snapshots[0].write_bytes(before[0][:100])
    (stamp.parent / "snapshots" / "00000000-0000-0000-0000-000000000000.json").write_text("{}")
    update_workspace(store, [], {}, settings)
    assert sorted(stamp.parent.glob("snapshots/*.json")) == snapshots
    assert all(json.loads(path.read_bytes()) for path in snapshots)
    stamp.write_text(json.dumps({"format": 0}))
    snapshots[1].write_text("{}")
    update_workspace(store, [], {}, settings)
    assert len(json.loads(snapshots[1].read_bytes())) > 3


def test_what_is_there_already_is_not_made_again(store, settings):
    add(store, batch(0))
    folder = update_workspace(store, [], {}, settings)
    (path,) = folder.glob("*/snapshots/*.json")
    before = path.stat().st_ino
    add(store, batch(1))
    update_workspace(store, [], {}, settings)
    assert path.stat().st_ino == before and len(list(folder.glob("*/snapshots/*.json"))) == 2


def test_a_batch_is_shown_anew_once_experts_have_drawn_its_images(store, settings):
    add(store, batch(0))
    update_workspace(store, [], {}, settings)
    workspace = Workspace(str(update_workspace(store, [], {"b000": Reviewed(2, 0.5)}, settings)))
    (project,) = workspace.list_projects()
    assert values(workspace, project)["ok b000"]["true_dice"] == 0.5
    assert len(workspace.list_runs(project.id)) == 1


def test_a_ui_that_runs_sees_what_comes_later(store, settings):
    """The workspace is watched as `evidently ui` watches it."""
    add(store, batch(1))
    workspace = str(update_workspace(store, [], {}, settings))
    state, came, observer = LocalState.load(workspace, None), threading.Event(), Observer()
    state.register_new_snapshot_callback(lambda *_: came.set())
    observer.schedule(WorkspaceDirHandler(state), workspace, recursive=True)
    observer.start()
    try:
        add(store, batch(2))
        update_workspace(store, [], {}, settings)
        assert came.wait(30)
    finally:
        observer.stop()
        observer.join()
    (snapshots,) = state.snapshots.values()
    assert {snapshot.name for snapshot in snapshots.values()} == {"ok b001", "ok b002"}


def test_pods_agree_on_the_workspace_without_what_was_replaced(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_SHARED", f"{bucket}/medweave")
    settings, found = Settings(task="tiny"), []
    for pod, news in (("one", [batch(1), batch(2)]), ("two", [batch(3, digest=batch(2).digest)]), ("three", [])):
        monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / pod))
        with shared_store(settings) as store:
            before = {path.name for path in (tmp_path / pod / "monitoring/evidently").glob("*/snapshots/*.json")}
            for one in news:
                add(store, one)
            after = {path.name for path in update_workspace(store, [], {}, settings).glob("*/snapshots/*.json")}
        found.append((before, after))
    (empty, first), (seen, second), (last, same) = found
    assert (empty, seen, last, same) == (set(), first, second, second)
    assert (len(first), len(second), len(first & second)) == (2, 2, 1)
