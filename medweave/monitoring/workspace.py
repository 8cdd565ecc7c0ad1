"""Evidently's workspace: a project a task, a snapshot a batch and a version, and the dashboard over them.

Everything in it is made from the stored batches and MLflow's versions, so that what is missing, damaged or of another
format is simply made again.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from medweave.config import Settings
from medweave.monitoring.panels import dashboard
from medweave.monitoring.reviewed import Reviewed
from medweave.monitoring.store import Batch, BatchStore, monitoring_folder
from medweave.monitoring.versions import Version
from medweave.quality import LEVELS
from medweave.shared import forget

FORMAT = 1
STAMP = "medweave.json"
FOLDER = "evidently"
NAMESPACE = uuid.UUID("6f0a3f0e-94a1-4d0a-9c4b-6d6564776561")


def update_workspace(
    store: BatchStore, versions: Sequence[Version], reviewed: Mapping[str, Reviewed], settings: Settings
) -> Path:
    """Bring the task's project up to the stored batches, what experts say of them, and versions; returns the folder."""
    workspace = monitoring_folder(settings) / FOLDER
    with store.lock():
        batches = store.batches()
        points = [_batch_point(one, reviewed.get(one.id)) for one in batches]
        points += [_version_point(one) for one in versions if one.dice is not None]
        _update(workspace, settings.task, {_id(settings.task, repr(point)): point for point in points})
    return workspace


Point = tuple[str, datetime, list[str], Mapping[str, float]]
"""Name, time, tags and values of a snapshot."""


def _batch_point(batch: Batch, reviewed: Reviewed | None) -> Point:
    columns = batch.verdict["columns"]
    values = {"verdict": float(LEVELS.index(batch.verdict["level"])), "images": float(batch.images)}
    values |= {level: float(sum(one["level"] == level for one in columns)) for level in ("watch", "drift")}
    values |= {name: float(summary["mean"]) for name, summary in batch.summary.items()}
    values |= {f"effect {one['column']}": float(one["effect"]) for one in columns if one["against"] == "training"}
    if reviewed:
        values["true_dice"] = reviewed.dice
    return f"{batch.level} {batch.id}", datetime.fromisoformat(batch.time), ["batch", batch.labels], values


def _version_point(version: Version) -> Point:
    values = {"dice": version.dice, "gold_only": version.gold_only, "promoted": float(version.promoted)}
    for source, decided in version.decisions.items():
        values |= {
            f"decision {source}/{decision}": count / sum(decided.values()) for decision, count in decided.items()
        }
    values |= {f"run {name}/{source}": value for source, of in version.labels.items() for name, value in of.items()}
    known = {name: value for name, value in values.items() if value is not None}
    return f"version {version.number}", version.made, ["version"], known


def _update(workspace: Path, task: str, wanted: Mapping[uuid.UUID, Point]) -> None:
    from evidently.sdk.models import ProjectModel
    from evidently.ui.workspace import Workspace

    project = workspace / str(_id(task, "project"))
    if not _sound(project):
        shutil.rmtree(project, ignore_errors=True)
        forget(project)
    workspace.mkdir(parents=True, exist_ok=True)
    there = {uuid.UUID(path.stem): path for path in _snapshots(project)}
    for stale in set(there) - set(wanted):
        there[stale].unlink()
        forget(there[stale])
    names = dict.fromkeys(name for *_, values in wanted.values() for name in values)
    # Evidently's UI watches the workspace: it sees what comes into it from outside, not what is renamed in it.
    with tempfile.TemporaryDirectory(dir=workspace.parent, prefix=".") as aside:
        made = Workspace(aside)
        model = ProjectModel(id=_id(task, "project"), name=task, description=f"Monitoring of medweave-{task}")
        made.add_project(model)
        made.save_dashboard(model.id, dashboard(list(names), lambda name: _id(task, name)))
        for snapshot_id, point in wanted.items():
            if snapshot_id not in there:
                made.state.write_snapshot(model.id, snapshot_id, _snapshot(point))
        stamp = Path(aside) / str(model.id) / STAMP
        stamp.write_text(json.dumps({"format": FORMAT, "task": task}), encoding="utf-8")
        for path in sorted((Path(aside) / str(model.id)).rglob("*.json")):
            target = project / path.relative_to(Path(aside) / str(model.id))
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def _snapshot(point: Point) -> Any:
    """The values as the means of a table of one row, as Evidently's dashboards take them."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import MeanValue

    name, time, tags, values = point
    data = Dataset.from_pandas(pd.DataFrame([dict(values)]), DataDefinition(numerical_columns=list(values)))
    report = Report([MeanValue(column=column) for column in values], tags=tags)
    return report.run(data, None, timestamp=time, name=name).to_snapshot_model()


def _sound(project: Path) -> bool:
    """Whether this version wrote the project and all of it can be read."""
    try:
        for path in _snapshots(project):
            json.loads(path.read_bytes())
        return bool(json.loads((project / STAMP).read_bytes())["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _snapshots(project: Path) -> Iterator[Path]:
    return (project / "snapshots").glob("*.json")


def _id(task: str, name: str) -> uuid.UUID:
    return uuid.uuid5(NAMESPACE, f"{task}/{name}")
