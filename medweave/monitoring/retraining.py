"""Whether a drift starts a retraining: once for the same cause, and not too soon after the last one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from medweave.config import Monitoring
from medweave.monitoring.store import Batch, BatchStore
from medweave.writing import whole_file

FILE = "retrainings.json"


@dataclass(frozen=True)
class Retraining:
    """Whether to start, why or why not, and the cause: the champion and the columns with the way that they moved."""

    start: bool
    reason: str
    cause: str


def decide_retraining(store: BatchStore, batch: Batch, settings: Monitoring) -> Retraining:
    """Decide, and note a start down before it happens: of two processes with one cause, one starts."""
    moved = sorted({f"{one['column']} {one['way']}" for one in batch.verdict["columns"] if one["level"] == "drift"})
    cause = f"{batch.champion or 'no champion'}: {', '.join(moved)}"
    if batch.level != "drift":
        return Retraining(False, f"the batch is {batch.level}", cause)
    if not settings.retrain:
        return Retraining(False, "monitoring.retrain is off", cause)
    with store.lock():
        path = store.root / FILE
        started: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        if any(one["cause"] == cause for one in started):
            return Retraining(False, "it was started before for this cause", cause)
        last = max((one["time"] for one in started), default=None)
        if last is not None:
            ready = datetime.fromisoformat(last) + timedelta(days=settings.cooldown_days)
            if datetime.fromisoformat(batch.time) < ready:
                return Retraining(
                    False, f"the last one was started at {last}; not before {ready:%Y-%m-%d %H:%M}", cause
                )
        decided = Retraining(True, f"drift in {', '.join(moved)}", cause)
        told = [*started, {**asdict(decided), "time": batch.time, "batch": batch.id}]
        with whole_file(path) as aside:
            aside.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return decided
