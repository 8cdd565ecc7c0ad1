"""Read a task's gold, unlabeled and test files into image tables, and note down what every file is like."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from medweave import __version__, config, progress
from medweave.data.corrections import CorrectionStore, Kept
from medweave.data.duplicates import merge_groups, near_duplicates
from medweave.data.inventory import NAMED, SPLITS, Inventory, InventoryRow, Split, measure_image, measure_mask
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
    inventory with their error. Only `READERS` images are in memory at a time. Images of equal or nearly equal pixels
    share a group, those of gold and unlabeled one and those of test another. Without `settings.root`, phantoms are
    made, once for the same settings and seed, under `cache` (default: `folder`/phantoms). Raises InputError for a
    missing folder, CSV or list.

    A gold or unlabeled image that `corrections` knows, by its SHA-256, is in gold with the corrected mask. A test image
    stays as it is, with the correction noted in the inventory, for validation to refuse.
    """
    found = find_files(settings, _root(settings, seed, cache or folder / "phantoms"))
    corrected = corrections.current() if corrections else {}
    measured = _measure_all(found, settings, corrected)
    inventory = Inventory(_relate(measured, settings.duplicates.distance), found.notes)
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
    """The rows with the names of their duplicates, and with one group for those that are connected on the same side."""
    by_hash, by_pixels = _places(row.phash for row in rows), _places(row.pixels_sha256 for row in rows)
    hashes = list(by_hash)
    near = [(hashes[i], hashes[j]) for i, j, _ in near_duplicates(hashes, distance)]
    groups = [row.group_id for row in rows]
    for places in _places(row.pool for row in rows).values():
        for place, group in zip(places, _merged_groups([rows[place] for place in places], near), strict=True):
            groups[place] = group
    names = _names(rows, by_hash, by_pixels, near)
    return [
        replace(row, group_id=group, duplicate_of=same, near_duplicate_of=similar)
        for row, group, (same, similar) in zip(rows, groups, names, strict=True)
    ]


def _places(marks: Iterable[str | None]) -> dict[str, list[int]]:
    """Where each mark stands."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, mark in enumerate(marks):
        if mark is not None:
            places[mark].append(place)
    return places


def _merged_groups(rows: Sequence[InventoryRow], near: Sequence[tuple[str, str]]) -> list[str]:
    """Each row's group where those of an equal hash, or of hashes that are `near`, are one.

    What has no hash, as it is of one colour, has equal pixels instead.
    """
    first: dict[str, int] = {}
    kinds = [row.phash or row.pixels_sha256 for row in rows]
    pairs = [(first.setdefault(kind, place), place) for place, kind in enumerate(kinds) if kind is not None]
    pairs += [(first[one], first[other]) for one, other in near if one in first and other in first]
    return merge_groups([row.group_id for row in rows], pairs)


def _names(
    rows: Sequence[InventoryRow],
    by_hash: Mapping[str, Sequence[int]],
    by_pixels: Mapping[str, Sequence[int]],
    near: Sequence[tuple[str, str]],
) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The names of each row's duplicates, and of its near-duplicates, as many as an inventory has (see `NAMED`)."""
    alike = {one: [one] for one in by_hash}
    for one, other in near:
        alike[one].append(other)
        alike[other].append(one)
    names: list[tuple[tuple[str, ...], tuple[str, ...]]] = [((), ()) for _ in rows]
    for pixels, members in by_pixels.items():
        close = [place for kind in alike.get(rows[members[0]].phash or "", ()) for place in by_hash[kind]]
        same = _keys_by_pool(rows[place] for place in members)
        similar = _keys_by_pool(rows[place] for place in close if rows[place].pixels_sha256 != pixels)
        for place in members:
            names[place] = _around(same, rows[place].key), _around(similar, rows[place].key)
    return names


def _keys_by_pool(rows: Iterable[InventoryRow]) -> list[list[str]]:
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        keys[row.pool].add(row.key)
    return [sorted(of_pool) for of_pool in keys.values()]


def _around(pools: Sequence[Sequence[str]], key: str) -> tuple[str, ...]:
    """Of the sorted keys of each pool one more than `NAMED` at most: those after `key`, then the first before it."""
    chosen: list[str] = []
    for keys in pools:
        before, after = bisect_left(keys, key), bisect_right(keys, key)
        later = keys[after : after + NAMED + 1]
        chosen += [*later, *keys[: min(before, NAMED + 1 - len(later))]]
    return tuple(sorted(chosen))


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
