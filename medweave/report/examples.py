"""Which images a report shows, and what is drawn on them."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import numpy as np

from medweave.data import ImageRow, ImageTable, MaskRef
from medweave.data.images import read_bytes, read_image, to_rgb8
from medweave.data.masks import decode_mask, raw_mask, read_mask
from medweave.data.probabilities import decode_probabilities
from medweave.report.content import Example
from medweave.report.pictures import Stroke, thumbnail, with_contours

SHOWN = 4
OUTLINE = Stroke((255, 214, 10))


def gold_examples(gold: ImageTable, classes: int, max_pixels: int, count: int = 6) -> list[Example]:
    """Gold images with their masks, evenly over the table."""
    rows = list(gold)
    chosen = [rows[int(index)] for index in np.linspace(0, len(rows) - 1, min(count, len(rows)))] if rows else []
    return [_example(row, {"gold": _mask(row, classes, max_pixels)}, max_pixels, "") for row in chosen]


def label_examples(labels: ImageTable, classes: int, max_pixels: int) -> dict[str, list[Example]]:
    """The made labels of highest, median and lowest predicted Dice, with coarse probabilities and prompts."""
    predicted = [
        (row.predicted_dice, row.image_id)
        for shard in labels.shards(["predicted_dice"])
        for row in shard
        if row.predicted_dice is not None
    ]
    ranked = [image_id for _, image_id in sorted(predicted, reverse=True)]
    middle = max(0, (len(ranked) - SHOWN) // 2)
    chosen = {
        "best": ranked[:SHOWN],
        "typical": ranked[middle : middle + SHOWN] if len(ranked) > 2 * SHOWN else [],
        "worst": ranked[-SHOWN:] if len(ranked) > SHOWN else [],
    }
    rows = _rows(labels, [image_id for names in chosen.values() for image_id in names])
    return {
        kind: [_label_example(rows[image_id], classes, max_pixels) for image_id in names]
        for kind, names in chosen.items()
    }


def compared_examples(
    rows: Sequence[ImageRow],
    predictions: Mapping[str, Mapping[str, np.ndarray]],
    captions: Mapping[str, str],
    classes: int,
    max_pixels: int,
) -> list[Example]:
    """Test images with the expert's mask and each model's; `predictions` maps image id to layer to class map."""
    return [
        _example(
            row,
            {"gold": _mask(row, classes, max_pixels), **predictions[row.image_id]},
            max_pixels,
            captions[row.image_id],
        )
        for row in rows
    ]


def lowest(scores: Mapping[str, float], count: int = SHOWN) -> list[str]:
    """The image ids of the lowest scores, lowest first."""
    return [image_id for image_id, _ in heapq.nsmallest(count, scores.items(), key=lambda item: (item[1], item[0]))]


def find_rows(table: ImageTable, image_ids: Sequence[str]) -> list[ImageRow]:
    """These rows of a table, in the order of the ids."""
    rows = _rows(table, image_ids)
    return [rows[image_id] for image_id in image_ids]


def contact_sheet(rows: Sequence[ImageRow], columns: int = 6, side: int = 128, max_pixels: int = 100_000_000) -> bytes:
    """A PNG with a tile an image; where there is a mask each of its values but 0 is outlined, class or not."""
    import cv2

    tiles = []
    for row in rows:
        image = thumbnail(to_rgb8(read_image(row.image_uri, max_pixels)), side)
        if row.mask:
            mask = _as_stored(row.mask, max_pixels)
            image = with_contours(image, mask, {int(value): OUTLINE for value in np.unique(mask) if value})
        tile = np.full((side, side, 3), 255, np.uint8)
        tile[: image.shape[0], : image.shape[1]] = image
        tiles.append(tile)
    tiles += [np.full((side, side, 3), 255, np.uint8)] * (-len(tiles) % columns)
    sheet = np.vstack([np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)])
    encoded: np.ndarray = cv2.imencode(".png", sheet[..., ::-1])[1]
    return encoded.tobytes()


def _rows(table: ImageTable, image_ids: Sequence[str]) -> dict[str, ImageRow]:
    wanted = set(image_ids)
    return {row.image_id: row for row in table if row.image_id in wanted}


def _as_stored(mask: MaskRef, max_pixels: int) -> np.ndarray:
    """The HxW integers of a mask that need not be those of classes: 1 or 255 is the foreground where there is one."""
    if mask.uri is not None:
        return raw_mask(read_bytes(mask.uri), mask.uri, max_pixels)
    assert mask.png is not None
    return decode_mask(mask.png)


def _mask(row: ImageRow, classes: int, max_pixels: int) -> np.ndarray:
    return read_mask(row.mask, classes, max_pixels)


def _example(row: ImageRow, layers: Mapping[str, np.ndarray], max_pixels: int, caption: str) -> Example:
    return Example(row.image_id, to_rgb8(read_image(row.image_uri, max_pixels)), layers, None, (), (), caption)


def _label_example(row: ImageRow, classes: int, max_pixels: int) -> Example:
    prompts = row.made_by.get("prompts", [])
    coarse = decode_probabilities(row.coarse, classes).max(axis=0) if row.coarse else None
    interval = "" if row.low is None or row.high is None else f" [{row.low:.2f}, {row.high:.2f}]"
    by = f", made by {row.made_by['labeler']}" if "labeler" in row.made_by else ""
    return Example(
        row.image_id,
        to_rgb8(read_image(row.image_uri, max_pixels)),
        {"mask": _mask(row, classes, max_pixels)},
        coarse,
        [tuple(prompt["box"]) for prompt in prompts if prompt.get("box")],
        [tuple(point) for prompt in prompts for point in prompt.get("points", [])],
        f"{row.decision}: predicted Dice {row.predicted_dice:.2f}{interval}{by}",
    )
