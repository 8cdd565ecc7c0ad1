"""How fast a batch is judged: images measured a minute, and a report over a million label rows.

Run: python benchmarks/monitoring.py --images DIR [--model REF]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from medweave.config import Data, Monitoring
from medweave.monitoring import Observers, measure, take_batch
from medweave.monitoring.neighbours import Neighbours
from medweave.monitoring.rows import sample_rows, summarise_rows
from medweave.quality import judge_batch

ROWS, COLUMNS, CHUNK = 1_000_000, 20, 100_000


def images_a_minute(folder: str, model: str | None, work: Path) -> float:
    """Images measured in a minute, with embedding distance and, if there is a model, its predictions."""
    champion = None
    if model is not None:
        from pipelines.references import segmenter_of

        champion = segmenter_of(model)
    table, _ = take_batch(folder, None, None, Data().max_pixels, work / "taken")
    observers = Observers(Neighbours.of(list(table)[:200], Data().max_pixels), champion)
    started = time.perf_counter()
    measure(table, observers, Data(classes=champion.card.classes) if champion else Data(), work / "measured")
    return 60 * len(table) / (time.perf_counter() - started)


def large_report(path: Path) -> float:
    """Seconds to summarise, sample and judge a million rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    names = [f"label.{k}" for k in range(COLUMNS)]
    schema = pa.schema([("image_id", pa.string()), *((name, pa.float64()) for name in names)])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, ROWS, CHUNK):
            columns = {"image_id": [f"image-{k}" for k in range(start, start + CHUNK)]}
            writer.write_table(pa.table({**columns, **{name: rng.normal(size=CHUNK) for name in names}}, schema))
    started = time.perf_counter()
    summarise_rows(path)
    sides = sample_rows(path, 1000, 0), sample_rows(path, 1000, 1)
    judge_batch({"training": sides[0]}, sides[1], {}, Monitoring(), 0)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images")
    parser.add_argument("--model")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        print(f"{ROWS:,} rows of {COLUMNS} columns: {large_report(Path(work) / 'rows.parquet'):.1f} s")
        print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        if given.images:
            print(f"{images_a_minute(given.images, given.model, Path(work)):.0f} images a minute")


if __name__ == "__main__":
    main()
