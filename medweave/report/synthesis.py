"""Synthetic images in the report: beside real ones, with what their checks found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medweave.data import ImageRow, ImageTable
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import read_mask
from medweave.report.content import SyntheticExample
from medweave.report.pictures import Picture, data_uri, layer_stroke, thumbnail, with_contours
from medweave.report.tiles import Row, Tile

SHOWN = 8
MEASURES = {"hash": "perceptual hash", "features": "features", "pixels": "pixels"}


def synthetic_examples(
    synthetic: ImageTable, real: Sequence[ImageTable], classes: int, max_pixels: int
) -> list[SyntheticExample]:
    """Up to 8 synthetic images, evenly over the table, each beside the real one that its mask came from."""
    rows = list(synthetic)
    chosen = [rows[int(at)] for at in np.linspace(0, len(rows) - 1, min(SHOWN, len(rows)))]
    origins = [_origin(row) for row in chosen]
    found = {row.image_id: row for table in real for row in table if row.image_id in origins}

    def example(row: ImageRow, origin: ImageRow) -> SyntheticExample:
        image, other = (to_rgb8(read_image(one.image_uri, max_pixels)) for one in (row, origin))
        mask, other_mask = (read_mask(one.mask, classes, max_pixels) if one.mask else None for one in (row, origin))
        predicted = "" if row.predicted_dice is None else f": predicted Dice {row.predicted_dice:.2f}"
        return SyntheticExample(row.image_id, image, mask, other, other_mask, f"{row.decision}{predicted}")

    return [example(row, found[origin]) for row, origin in zip(chosen, origins, strict=True)]


def synthetic_row(example: SyntheticExample, classes: Sequence[str]) -> Row:
    """The real image, the mask, the synthetic image made for it, and that image with the mask's outline."""
    return Row(example.image_id, example.caption, tuple(_tiles(example, classes)))


def told_checks(checks: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What was measured over all samples: its name, the figure, and what to hold it against."""
    told = [("Made and kept", f"{checks['made']} made, {checks['kept']} kept", "samples that fail a check are dropped")]
    told += [(f"Dropped: {reason}", str(count), "") for reason, count in checks["reasons"].items()]
    if closest := checks["closest"]:
        limits = checks["limits"]
        told += [
            ("Closest hash", f"{closest['bits']:.0f} of 256 bits", f"copies differ in fewer than {limits['bits']:.0f}"),
            ("Closest features", f"{closest['distance']:.1f}", f"copies are closer than {limits['distance']:.1f}"),
            (
                "Closest pixels",
                f"correlation {closest['correlation']:.2f}",
                f"copies are above {limits['correlation']:.2f}",
            ),
        ]
    if checks["diversity"] is not None:
        told.append(("Diversity", f"{checks['diversity']:.2f}", "1: samples differ as much as real images do"))
    if spread := checks["frechet"]:
        beside = f"halves of the real ones: {spread['real']:.1f}, 95 % below {spread['real95']:.1f}"
        told.append(("Fréchet-type distance to real images", f"{spread['samples']:.1f}", beside))
    names = {"coarse": "the coarse model", "labeler": "the labeler"}
    for who, dice in checks["agreement"].items():
        told.append((f"Mask against what {names[who]} finds", f"median Dice {dice:.2f}", "over all samples"))
    return told


def told_choice(choice: Mapping[str, Any]) -> str:
    """Whether the final model learned from synthetic images, and why."""
    if not choice["images"]:
        return "No synthetic image was accepted, so none was trained on."
    count = f"{choice['images']} of {choice['offered']} accepted images"
    if choice["dice_with"] is None:
        return f"Whether {count} help could not be measured on gold, so none was trained on."
    gain = choice["dice_with"] - choice["dice_without"]
    figures = f"Dice {choice['dice_with']:.3f} on held-out gold with them, {choice['dice_without']:.3f} without"
    against = f"a difference of {gain:.3f}, its standard error {choice['standard_error']:.3f}"
    verdict = "they train the final model" if choice["kept"] else "they were left out of the final model"
    return (
        f"Cross-validation with {count}: {figures}, {against}; {verdict}. "
        "The generator has seen the held-out images, so the figure with them is a little optimistic."
    )


def told_copies(checks: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(sample, training image, measures) of the near-copies that were dropped."""
    return [
        (copy["sample"], copy["image"], ", ".join(MEASURES[by] for by in copy["by"])) for copy in checks["near_copies"]
    ]


def _origin(row: ImageRow) -> str:
    condition = row.made_by["condition"]
    origin: str = condition["origin"][0] if condition else row.made_by["checks"]["closest"]["image"]
    return origin


def _tiles(example: SyntheticExample, classes: Sequence[str]) -> Iterator[Tile]:
    name = example.image_id
    real = thumbnail(example.real)
    if example.real_mask is not None:
        real = _outlined(real, example.real_mask, classes)
    yield _tile(real, f"Real image beside {name}", "real image" if example.mask is None else "real, with its mask")
    small = thumbnail(example.image)
    if example.mask is not None:
        shades = (example.mask.astype(np.float64) * 255 / len(classes)).astype(np.uint8)
        yield _tile(thumbnail(np.repeat(shades[:, :, None], 3, axis=2)), f"Mask that {name} was made for", "new mask")
    yield _tile(small, f"Synthetic image {name}", "synthetic image")
    if example.mask is not None:
        outlined = _outlined(small, example.mask, classes)
        yield _tile(outlined, f"Synthetic image {name} with the outline of its mask", "synthetic, with its mask")


def _outlined(picture: Picture, mask: NDArray[np.uint8], classes: Sequence[str]) -> Picture:
    strokes = {value: layer_stroke("mask", value, len(classes)) for value in range(1, len(classes) + 1)}
    return with_contours(picture, mask, strokes)


def _tile(picture: Picture, alt: str, label: str) -> Tile:
    height, width = picture.shape[:2]
    return Tile(data_uri(picture), width, height, alt, label)
