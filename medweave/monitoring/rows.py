"""What was measured of a batch as one flat Parquet file: a row an image, a column a feature; never loaded whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medweave.data import ImageTable

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("image_id", "image_sha256", "image_uri", "label_id")
CHUNK = 65_536


@dataclass(frozen=True)
class Summary:
    """Of one column of all rows: how many values are known, their mean, standard deviation, least and largest."""

    known: int
    mean: float
    deviation: float
    least: float
    largest: float


def write_rows(table: ImageTable, path: Path) -> None:
    """Write the names and features of a table's rows, a shard at a time; features that a row lacks are null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = sorted({name for shard in table.shards(["features"]) for row in shard for name in row.features})
    schema = pa.schema([*((name, pa.string()) for name in NAMES), *((name, pa.float64()) for name in features)])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for shard in table.shards(["features", "label_id"]):
            records = [{**{name: getattr(row, name) for name in NAMES}, **row.features} for row in shard]
            writer.write_table(pa.Table.from_pylist(records, schema=schema))


def sample_rows(path: Path, most: int, seed: int) -> pd.DataFrame:
    """The features of all rows, or of `most` at random, in the file's order, indexed by image id."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    total = pq.read_metadata(path).num_rows
    chosen = np.sort(np.random.default_rng(seed).permutation(total)[:most])
    start, parts = 0, []
    for chunk in _chunks(path):
        inside = chosen[(chosen >= start) & (chosen < start + len(chunk))] - start
        parts.append(chunk.take(pa.array(inside)))
        start += len(chunk)
    frame: pd.DataFrame = pa.Table.from_batches(parts, pq.read_schema(path)).to_pandas()
    frame = frame.set_index("image_id")
    return frame[[name for name in frame if name not in NAMES]].astype(float)


def summarise_rows(path: Path) -> dict[str, Summary]:
    """The summary of every feature that is known of any row."""
    moments: dict[str, list[float]] = {}
    for chunk in _chunks(path):
        for name in (name for name in chunk.schema.names if name not in NAMES):
            values = chunk.column(name).drop_null().to_numpy(zero_copy_only=False)
            if len(values):
                n, mean = len(values), values.mean()
                new = [n, mean, ((values - mean) ** 2).sum(), values.min(), values.max()]
                moments[name] = _merged(moments[name], new) if name in moments else new
    return {
        name: Summary(int(n), float(mean), float(np.sqrt(squares / n)), float(least), float(largest))
        for name, (n, mean, squares, least, largest) in moments.items()
    }


def _merged(first: list[float], second: list[float]) -> list[float]:
    """Moments of two samples together (Chan et al., 1979)."""
    n, m = first[0], second[0]
    away = second[1] - first[1]
    mean, squares = first[1] + away * m / (n + m), first[2] + second[2] + away**2 * n * m / (n + m)
    return [n + m, mean, squares, min(first[3], second[3]), max(first[4], second[4])]


def _chunks(path: Path) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=CHUNK)
