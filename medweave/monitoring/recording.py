"""A judged batch as MLflow keeps it, and as one line for people."""

from __future__ import annotations

from medweave.data import ImageTable
from medweave.monitoring.store import FACTS, PAGE, ROWS, Batch, BatchStore
from medweave.quality import LEVELS
from medweave.tracking import DatasetRecord, RunRecord

TOLD = 4


def batch_record(batch: Batch, store: BatchStore, measured: ImageTable, task: str, zenml_run: str) -> RunRecord:
    """A run of the experiment `medweave-<task>-monitoring`, with the batch's files and the digest of its images."""
    folder = store.folder(batch)
    columns = batch.verdict["columns"]
    metrics = {"verdict": float(LEVELS.index(batch.verdict["level"])), "images": float(batch.images)}
    metrics |= {f"mean.{name}": summary["mean"] for name, summary in batch.summary.items()}
    for key in ("effect", "p"):
        metrics |= {f"{key}.{one['column']}.{one['against'].replace(' ', '_')}": one[key] for one in columns}
    tags = {"zenml_run_id": zenml_run, "verdict": batch.level, "batch": batch.id, "labels": batch.labels}
    return RunRecord(
        task=f"{task}-monitoring",
        name=f"{batch.level} {batch.id}",
        settings={"source": batch.source, "champion": batch.champion, "reference": batch.reference},
        metrics=metrics,
        datasets=[DatasetRecord(f"{task}-batch", "unlabeled", measured.digest, len(measured), batch.source)],
        artifacts=[path for path in (folder / FACTS, folder / ROWS, folder / PAGE) if path.exists()],
        tags=tags,
    )


def alert_text(batch: Batch, task: str) -> str:
    """What to tell of a batch in one line: the verdict, the columns that moved farthest, and where to look."""
    moved = [one for one in batch.verdict["columns"] if one["level"] == batch.level]
    columns = list(dict.fromkeys(f"{one['column']} {one['way']}" for one in moved))
    words = ", ".join(columns[:TOLD]) + (f" and {len(columns) - TOLD} more" if len(columns) > TOLD else "")
    why = words or "; ".join(batch.verdict["notes"])
    return f"{task}: {batch.level} in {batch.images} image{'' if batch.images == 1 else 's'} of {batch.source}: {why}"
