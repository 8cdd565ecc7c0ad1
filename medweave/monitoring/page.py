"""What the page of a batch shows: values of the columns that moved, and pictures of the images that moved them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medweave.config import Data
from medweave.data import ImageRow, ImageTable
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import read_mask
from medweave.quality import BatchVerdict
from medweave.report.content import Example
from medweave.report.drift import DriftContent, render_batch, told
from medweave.report.examples import gold_examples

COLUMNS, PICTURES = 6, 6


def batch_page(
    facts: Mapping[str, Any],
    verdict: BatchVerdict,
    images: int,
    values: Mapping[str, Mapping[str, Sequence[float]]],
    table: ImageTable,
    gold: ImageTable,
    data: Data,
) -> str:
    """drift.html of a judged table; `values` as of `DriftContent`."""
    deciding = verdict.deciding
    chosen = {
        "extreme": list(_chosen((name, f"{told(one.column)}: {one.way}") for one in deciding for name in one.extreme)),
        "typical": list(_chosen((name, told(one.column)) for one in deciding for name in one.typical)),
    }
    wanted = {name for named in chosen.values() for name, _ in named}
    rows = {row.image_id: row for row in table if row.image_id in wanted}
    classes = len(data.classes)
    content = DriftContent(
        facts=facts,
        verdict={**verdict.to_json(), "images": images},
        values=dict(list(values.items())[:COLUMNS]),
        extreme=[_example(rows[name], caption, data) for name, caption in chosen["extreme"]],
        typical=[_example(rows[name], caption, data) for name, caption in chosen["typical"]],
        gold=gold_examples(gold, classes, data.max_pixels, PICTURES) if deciding else [],
        classes=data.classes,
    )
    return render_batch(content)


def _chosen(named: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The first images, each once."""
    found: dict[str, str] = {}
    for name, caption in named:
        found.setdefault(name, caption)
    yield from list(found.items())[:PICTURES]


def _example(row: ImageRow, caption: str, data: Data) -> Example:
    layers = {"mask": read_mask(row.mask, len(data.classes), data.max_pixels)} if row.mask else {}
    return Example(row.image_id, to_rgb8(read_image(row.image_uri, data.max_pixels)), layers, None, (), (), caption)
