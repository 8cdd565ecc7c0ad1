"""What a run's model learned from: one row a label in Parquet, and the facts that all of them share in JSON.

Both lie among the files of the run in MLflow, under `lineage/`, and never change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medweave.data.table import ImageRow, ImageTable

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
FOLDER = "lineage"
LABELS = "labels.parquet"
FACTS = "run.json"
ROWS_A_GROUP = 50_000
COLUMNS = ("label_id", "made_by", "predicted_dice", "low", "high", "decision", "weight")


def schema() -> pa.Schema:
    """The label list's Arrow schema.

    `weight` is 0 for a label that was made and not learned from. `weights` is the digest of the labeler's weights,
    `fitted` of what gold taught the labeler, `coarse` of the model that prompted it. `person`, `date`, `correction`
    and `replaces` (the label before) are those of a correction; `generator`, `seed` and `condition` (JSON) those of a
    synthetic image. `made_by` is all of the label's making, as JSON.
    """
    import pyarrow as pa

    texts = (
        "label_id", "image_id", "group_id", "image_sha256", "image_uri", "source", "decision",
        "labeler", "weights", "fitted", "coarse", "person", "date", "correction", "replaces",
        "generator", "seed", "condition", "made_by",
    )  # fmt: skip
    numbers = ("weight", "predicted_dice", "low", "high")
    return pa.schema([(name, pa.string()) for name in texts] + [(name, pa.float64()) for name in numbers])


def write_lineage(folder: Path, tables: Iterable[ImageTable], facts: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Write `labels.parquet` and `run.json` into `folder`; return the counts that `facts` get as `labels`.

    All labels of the tables are listed, a shard at a time: `{"weak": {"made": n, "learned": n, "weight": sum}, …}`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records = (_record(row) for table in tables for shard in table.shards(COLUMNS) for row in shard if row.label_id)
    counts = write_labels(folder / LABELS, records)
    text = json.dumps({"format": FORMAT, **facts, "labels": counts}, indent=1, sort_keys=True)
    (folder / FACTS).write_text(text, encoding="utf-8")
    return counts


def write_labels(path: Path, records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Write records of `schema()` as Parquet and count them by source; see `write_lineage`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts: dict[str, dict[str, float]] = {}
    stream: Iterator[Mapping[str, Any]] = iter(records)
    with pq.ParquetWriter(path, schema(), compression="zstd") as writer:
        while batch := list(islice(stream, ROWS_A_GROUP)):
            for record in batch:
                count = counts.setdefault(record["source"], {"made": 0, "learned": 0, "weight": 0.0})
                count["made"] += 1
                count["learned"] += record["weight"] > 0
                count["weight"] += record["weight"]
            writer.write_table(pa.Table.from_pylist(batch, schema=schema()))
    return counts


def _record(row: ImageRow) -> dict[str, Any]:
    made = row.made_by
    image = made if row.label_source == "synthetic" else {}
    condition = image.get("condition")
    return {
        "label_id": row.label_id,
        "image_id": row.image_id,
        "group_id": row.group_id,
        "image_sha256": row.image_sha256,
        "image_uri": row.image_uri,
        "source": row.label_source,
        "decision": row.decision,
        "weight": row.training_weight,
        "predicted_dice": row.predicted_dice,
        "low": row.low,
        "high": row.high,
        "labeler": made.get("labeler"),
        "weights": made.get("labeler_digest"),
        "fitted": made.get("fitted_digest"),
        "coarse": made.get("coarse"),
        "person": made.get("by"),
        "date": made.get("when"),
        "correction": made.get("correction"),
        "replaces": made.get("replaces"),
        "generator": image.get("generator"),
        "seed": None if image.get("seed") is None else str(image["seed"]),
        "condition": None if condition is None else json.dumps(condition, sort_keys=True),
        "made_by": json.dumps(made, sort_keys=True),
    }
