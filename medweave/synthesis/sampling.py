"""Sampling: images for masks, or free ones, as PNG files and an image table."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medweave import progress
from medweave.config import Settings
from medweave.data import ImageRow, ImageTable, MaskRef, ShardWriter
from medweave.errors import InputError
from medweave.shared import shared_uri
from medweave.synthesis.conditions import Condition
from medweave.synthesis.generator import Generator
from medweave.version import code_digest
from medweave.writing import whole_file

RECIPE = "recipe.json"
BATCH = 16


def sample_images(
    generator: Generator, wanted: Sequence[Condition] | int, settings: Settings, folder: Path, seed: int
) -> ImageTable:
    """Make an image for each condition, or so many free ones; files in `folder`/images, the table in `folder`.

    Shards that `sample_part` has left there are not made again; see there.
    """
    sample_part(generator, wanted, settings, folder, seed, 0, 1)
    try:
        return ShardWriter(folder).finish()
    except OSError as error:
        raise _unwritable(folder, error) from None


def sample_part(
    generator: Generator,
    wanted: Sequence[Condition] | int,
    settings: Settings,
    folder: Path,
    seed: int,
    part: int,
    parts: int,
) -> int:
    """Make the shards whose number, modulo `parts`, is `part`, and return how many images they hold.

    Rows have label source `synthetic`, a group of their own, and in `made_by` the generator's digest, seed and index,
    sampler, steps, guidance and code, and `condition`: the mask's digest, `origin` and `change` (None for a free image,
    which has no mask). Each image comes from (seed, index) alone. A killed run goes on after the shards that are there;
    the result is that of a run without a break.

    Raises InputError for conditions that do not fit the generator, for a folder that holds samples of another recipe,
    and when it cannot be written (then no half-made sample is in the table).
    """
    conditions: Sequence[Condition | None] = [None] * wanted if isinstance(wanted, int) else wanted
    generator = generator.on(settings.compute)
    _check(generator, conditions)
    how = {
        "generator": generator.digest,
        "seed": seed,
        "sampler": settings.synthesis.sampler,
        "steps": settings.synthesis.sampling_steps,
        "guidance": settings.synthesis.guidance,
        "code": code_digest("data", "synthesis"),
    }
    name = hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()[:8]
    shard_rows = settings.compute.shard_rows
    masks = [condition and condition.digest for condition in conditions]
    writer = ShardWriter(folder)
    try:
        _claim(folder, {**how, "masks": masks, "shard_rows": shard_rows, "precision": settings.compute.precision})
        (folder / "images").mkdir(exist_ok=True)
        starts = range(0, len(conditions), shard_rows)
        mine = list(enumerate(starts))[part::parts]
        todo = [(shard, start) for shard, start in mine if not writer.has(shard)]
        total, left = (sum(len(conditions[start : start + shard_rows]) for _, start in of) for of in (mine, todo))
        with progress.task("sample", total, total - left, unit="images") as shown:
            for shard, start in todo:
                rows: list[ImageRow] = []
                for first, batch in _batches(conditions[start : start + shard_rows], start):
                    seeds = [(seed, first + place) for place in range(len(batch))]
                    images = generator.make(seeds, _masks(batch), settings.synthesis)
                    for place, (image, condition) in enumerate(zip(images, batch, strict=True)):
                        made_by = {**how, "index": first + place}
                        path = folder / "images" / f"synthetic-{name}-{first + place:06d}.png"
                        rows.append(_write(path, image, condition, made_by))
                    shown.advance(len(batch))
                writer.write(shard, rows)
        return total
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f"{folder}: cannot be written ({error.strerror or error}); free space there")


def _check(generator: Generator, conditions: Sequence[Condition | None]) -> None:
    architecture = generator.card.architecture
    for condition in conditions:
        if condition is None:
            continue
        if not generator.conditional:
            raise InputError("synthesis: this generator makes free images only; give a number of images, not masks")
        shape, top = condition.mask.shape, int(condition.mask.max())
        size = architecture.image_size
        if shape != (size, size) or top > architecture.classes:
            raise InputError(
                f"synthesis: a mask of {shape[0]}x{shape[1]} with class {top} does not fit the generator "
                f"({size}x{size}, {architecture.classes} classes); make the masks with its settings"
            )


def _claim(folder: Path, recipe: dict[str, Any]) -> None:
    """Note down what the folder holds, or find that it is the same."""
    path, text = folder / RECIPE, json.dumps(recipe, sort_keys=True)
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise InputError(f"{folder}: holds samples made in another way; choose another folder or remove it")
        return
    with whole_file(path) as aside:
        aside.write_text(text, encoding="utf-8")


def _batches(conditions: Sequence[Condition | None], start: int) -> Iterator[tuple[int, Sequence[Condition | None]]]:
    for first in range(0, len(conditions), BATCH):
        yield start + first, conditions[first : first + BATCH]


def _masks(batch: Sequence[Condition | None]) -> np.ndarray | None:
    masks = [condition.mask for condition in batch if condition is not None]
    return np.stack(masks) if masks else None


def _write(path: Path, image: np.ndarray, condition: Condition | None, made_by: dict[str, Any]) -> ImageRow:
    data = _png(image)
    with whole_file(path) as aside:
        aside.write_bytes(data)
    from PIL import Image

    gray = np.asarray(Image.fromarray(image.squeeze()).convert("L"))
    row = ImageRow(
        image_id=path.stem,
        group_id=path.stem,
        image_uri=shared_uri(path),
        image_sha256=hashlib.sha256(data).hexdigest(),
        height=image.shape[0],
        width=image.shape[1],
        features={"intensity_mean": float(gray.mean()), "intensity_std": float(gray.std())},
    )
    if condition is None:
        return row.with_label("synthetic", MaskRef(), {**made_by, "condition": None})
    origin = {"mask": condition.digest, "origin": list(condition.origin), "change": condition.change}
    return row.with_label("synthetic", MaskRef(png=condition.png), {**made_by, "condition": origin})


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(buffer, "PNG")
    return buffer.getvalue()
