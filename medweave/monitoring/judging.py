"""Judge a measured batch beside the training images and the batches before it, and keep it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.monitoring.page import batch_page
from medweave.monitoring.reviewed import MASKS, write_masks
from medweave.monitoring.rows import sample_rows, summarise_rows, write_rows
from medweave.monitoring.store import PAGE, ROWS, Batch, BatchStore
from medweave.quality import judge_batch

if TYPE_CHECKING:
    import pandas as pd

MOST = 1000
TRAINING, EARLIER = "training", "earlier batch"
LEARNED = ("model.", "label.agreement")
"""What a model says of images that it learned from is not what it says of new ones: not compared with training."""


def judge(
    store: BatchStore,
    table: ImageTable,
    training: ImageTable,
    gold: ImageTable,
    source: str,
    champion: str | None,
    labels: str,
    settings: Settings,
) -> Batch:
    """The verdict on a measured table, kept with its rows and its page; the fields are those of `Batch`.

    It is held against the measured `training` images and the newest batch of `monitoring.min_images` images or more
    that was not `drift`; of that batch, labels and what the model said are compared only if the same champion, or the
    same kind of labels, made them. `gold` is for the page's pictures.
    """
    seed = settings.seed
    with store.lock(), store.aside() as files:
        write_rows(table, files / ROWS)
        write_masks(table, files / MASKS)
        rows = sample_rows(files / ROWS, MOST, seed)
        reference = training.digest
        accepted = [one for one in store.batches() if one.level != "drift" and one.digest != table.digest]
        references = {TRAINING: _unlearned(_frame(training, files, seed))}
        judged = [one for one in accepted if one.images >= settings.monitoring.min_images]
        if judged:
            earlier = sample_rows(store.folder(judged[-1]) / ROWS, MOST, seed)
            same = (judged[-1].champion, judged[-1].labels) == (champion, labels)
            references[EARLIER] = earlier if same else earlier.filter(regex=r"^image\.")
        past = _past([one for one in accepted if one.reference == reference])
        verdict = judge_batch(references, rows, past, settings.monitoring, seed)
        now = datetime.now(UTC)
        batch = Batch(
            id=f"{now:%Y%m%dT%H%M%S}-{table.digest[:8]}",
            time=now.isoformat(timespec="seconds"),
            source=source,
            digest=table.digest,
            reference=reference,
            champion=champion,
            labels=labels,
            images=len(table),
            verdict={**verdict.to_json(), "images": len(table)},
            summary={name: asdict(one) for name, one in summarise_rows(files / ROWS).items()},
        )
        facts = {**asdict(batch), "batch": batch.id, "task": settings.task}
        sides = {**references, "batch": rows}
        values = {
            one.column: {name: side[one.column].tolist() for name, side in sides.items() if one.column in side}
            for one in verdict.deciding
        }
        page = batch_page(facts, verdict, len(table), values, table, gold, settings.data)
        (files / PAGE).write_text(page, encoding="utf-8")
        store.add(batch, files)
    return batch


def nothing_new(table: ImageTable, source: str, champion: str | None, labels: str) -> Batch:
    """What to say of a table without images; it is not kept."""
    verdict = {"level": "ok", "images": 0, "columns": [], "notes": ["no new images"]}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Batch("", now, source, table.digest, "", champion, labels, 0, verdict, {})


def _frame(table: ImageTable, aside: Path, seed: int) -> pd.DataFrame:
    path = aside / "training.parquet"
    write_rows(table, path)
    frame = sample_rows(path, MOST, seed)
    path.unlink()
    return frame


def _unlearned(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[name for name in frame if not str(name).startswith(LEARNED)]]


def _past(batches: Sequence[Batch]) -> dict[tuple[str, str], list[float]]:
    past: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for batch in batches:
        for one in batch.verdict["columns"]:
            past[one["against"], one["column"]].append(one["effect"])
    return dict(past)
