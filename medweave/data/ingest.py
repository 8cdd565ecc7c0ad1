"""Read a task's gold, unlabeled and test files into image tables, and note down what every file is like."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from medweave import __version__, config, progress
from medweave.data.corrections import CorrectionStore, Kept
from medweave.data.duplicates import merge_groups, near_duplicates
from medweave.data.inventory import SPLITS, Inventory, InventoryRow, Split, measure_image, measure_mask
from medweave.data.sources import find_files, root_of
from medweave.data.table import ImageRow, ImageTable, MaskRef, write_table
from medweave.shared import shared, shared_uri

READERS = 4


@dataclass(frozen=True)
class Ingested:
    """The tables of the splits (`gold`, `unlabeled`, `test`) and the inventory of all files found."""

    tables: Mapping[Split, ImageTable]
    inventory: Inventory


def ingest(
    settings: config.Data,
    seed: int,
    folder: Path,
    shard_rows: int = 64,
    cache: Path | None = None,
    corrections: CorrectionStore | None = None,
) -> Ingested:
    """Read all files of a task and write one table a split as `folder`/<split> (a new or empty local folder).

    A table holds the images that are readable and, in gold and test, have a readable mask; all other files stay in the
    inventory with their error. Only `READERS` images are in memory at a time. Images of equal or nearly equal pixels in
    gold and unlabeled share a group. Without `settings.root`, phantoms are made, once for the same settings and seed,
    under `cache` (default: `folder`/phantoms). Raises InputError for a missing folder, CSV or list.

    A gold or unlabeled image that `corrections` knows, by its SHA-256, is in gold with the corrected mask. A test image
    stays as it is, with the correction noted in the inventory, for validation to refuse.
    """
    found = find_files(settings, _root(settings, seed, cache or folder / "phantoms"))
    corrected = corrections.current() if corrections else {}
    inventory = Inventory(_relate(_measure_all(found, settings, corrected), settings.duplicates.distance))
    if corrected:
        used = len({row.image_sha256 for row in inventory if row.split == "gold" and row.correction})
        progress.say(f"  {used} of {len(corrected)} corrected masks belong to images that are here, and are gold")
    tables = {
        split: write_table(folder / split, _table_rows(inventory, split, corrected), shard_rows) for split in SPLITS
    }
    return Ingested(tables, inventory)


def _root(settings: config.Data, seed: int, cache: Path) -> str | None:
    if settings.root is None and settings.phantoms is not None:
        return _phantoms(settings.phantoms, seed, cache.resolve())
    return root_of(settings)


def _phantoms(phantoms: config.Phantoms, seed: int, cache: Path) -> str:
    from medweave.data.phantoms import write_phantoms

    key = f"{__version__} {seed} {phantoms.model_dump_json()}"
    folder = cache / hashlib.sha256(key.encode()).hexdigest()[:16]
    with shared(folder):
        write_phantoms(folder, phantoms, seed)
    return shared_uri(folder)


def _measure_all(
    rows: Sequence[InventoryRow], settings: config.Data, corrected: Mapping[str, Kept]
) -> list[InventoryRow]:
    def one(row: InventoryRow) -> InventoryRow:
        seen = _with_correction(measure_image(row, settings.max_pixels), corrected)
        return measure_mask(seen, len(settings.classes), settings.max_pixels)

    measured = []
    with progress.task("reading images", len(rows)) as task, ThreadPoolExecutor(READERS) as readers:
        for row in readers.map(one, rows):
            measured.append(row)
            task.advance()
    return measured


def _with_correction(row: InventoryRow, corrected: Mapping[str, Kept]) -> InventoryRow:
    kept = corrected.get(row.image_sha256 or "")
    if kept is None:
        return row
    row = replace(row, correction=kept.correction.id)
    return row if row.split == "test" else replace(row, split="gold", mask_uri=kept.mask_uri)


def _relate(rows: Sequence[InventoryRow], distance: int) -> list[InventoryRow]:
    """The rows with the names of their duplicates, and with one group for those of training that are connected."""
    by_pixels: defaultdict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row.pixels_sha256 is not None:
            by_pixels[row.pixels_sha256].append(index)
    exact = [pair for members in by_pixels.values() for pair in combinations(members, 2)]
    hashed = [(index, row.phash) for index, row in enumerate(rows) if row.phash is not None]
    close = near_duplicates([phash for _, phash in hashed], distance)
    near = [(hashed[i][0], hashed[j][0]) for i, j, _ in close]
    near = [(i, j) for i, j in near if rows[i].pixels_sha256 != rows[j].pixels_sha256]

    training = {index: place for place, index in enumerate(k for k, row in enumerate(rows) if row.split != "test")}
    pairs = [(training[i], training[j]) for i, j in exact + near if i in training and j in training]
    merged = merge_groups([rows[index].group_id for index in training], pairs)
    same, similar = _names(rows, exact), _names(rows, near)
    return [
        replace(
            row,
            group_id=merged[training[index]] if index in training else row.group_id,
            duplicate_of=same[index],
            near_duplicate_of=similar[index],
        )
        for index, row in enumerate(rows)
    ]


def _names(rows: Sequence[InventoryRow], pairs: Sequence[tuple[int, int]]) -> list[tuple[str, ...]]:
    partners: list[set[str]] = [set() for _ in rows]
    for i, j in pairs:
        if rows[i].key != rows[j].key:
            partners[i].add(rows[j].key)
            partners[j].add(rows[i].key)
    return [tuple(sorted(names)) for names in partners]


def _table_rows(inventory: Inventory, split: Split, corrected: Mapping[str, Kept]) -> Iterator[ImageRow]:
    for row in inventory:
        if row.split != split or not row.usable:
            continue
        features = {
            "intensity_mean": row.intensity_mean,
            "intensity_std": row.intensity_std,
            "foreground_share": row.foreground_share,
            "components": row.components,
        }
        image = ImageRow(
            image_id=row.image_id,
            group_id=row.group_id,
            image_uri=row.image_uri or "",
            image_sha256=row.image_sha256 or "",
            height=row.height or 0,
            width=row.width or 0,
            features={name: float(value) for name, value in features.items() if value is not None},
        )
        if row.mask_uri is not None:
            made_by = corrected[image.image_sha256].made_by if row.correction else {"labeler": "expert"}
            image = image.with_label("gold", MaskRef(uri=row.mask_uri), made_by, row.mask_sha256)
        yield image
