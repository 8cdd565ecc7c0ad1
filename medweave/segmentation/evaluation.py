"""Metrics of many predicted masks, with their confidence intervals and paired differences."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medweave import progress
from medweave.errors import InputError
from medweave.segmentation.bootstrap import Interval, bootstrap_mean, paired_difference
from medweave.segmentation.metrics import METRICS, dice_by_class, image_metrics

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

Pair = tuple[str, str, NDArray[np.uint8], NDArray[np.uint8]]
"""image_id, group_id, predicted class map and mask (both uint8, HxW)."""

MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class ImageScore:
    """The metrics of one image, see `image_metrics`, and of several classes the Dice of each, see `dice_by_class`.

    `normal` says that the image's mask is empty.
    """

    image_id: str
    group_id: str
    dice: float
    iou: float
    nsd: float
    hd95: float
    empty: float
    by_class: tuple[float, ...] = ()
    normal: bool = False


@dataclass(frozen=True)
class Evaluation:
    """The scores of a set of images."""

    rows: tuple[ImageScore, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of all scores."""
        return hashlib.sha256(json.dumps([_flat(row) for row in self.rows]).encode()).hexdigest()

    def summary(self, resamples: int, seed: int) -> dict[str, Any]:
        """Mean and 95 % interval over groups of each metric, and how many images had their structure missed.

        `{"dice": {"mean": m, "ci95": [low, high]}, "iou": …, "nsd": …, "hd95": …, "empty_rate": share}`, of several
        classes `by_class`, and where there are empty masks `with_structure`, see there. `empty_rate` is the share, of
        all images, of those whose mask has foreground and whose prediction has none.
        """
        groups = [row.group_id for row in self.rows]
        metrics = {m: bootstrap_mean(self._values(m), groups, resamples, seed).to_json() for m in METRICS}
        found = {**metrics, "empty_rate": float(np.mean(self._values("empty"))) if self.rows else 0.0}
        more = {
            "by_class": self.by_class(resamples, seed),
            "with_structure": self.with_structure(resamples, seed),
        }
        return found | {key: value for key, value in more.items() if value}

    def by_class(self, resamples: int, seed: int) -> list[dict[str, Any]]:
        """Of each of several classes: `images`, how many have it or are said to, and its `dice` as in `summary`.

        Empty for a single class. An image that lacks a class, and is not said to have it, does not count in its Dice,
        which is None where no image does.
        """
        groups = [row.group_id for row in self.rows]
        columns = np.array([row.by_class for row in self.rows]).T
        counts = [int(np.isfinite(dice).sum()) for dice in columns]
        return [
            {"images": count, "dice": bootstrap_mean(dice, groups, resamples, seed).to_json() if count else None}
            for count, dice in zip(counts, columns, strict=True)
        ]

    def with_structure(self, resamples: int, seed: int) -> dict[str, Any]:
        """Where some masks are empty: how many are (`empty_masks`), and of the other `images` Dice and missed share.

        `dice` is as in `summary`, `missed_rate` the share of these images whose prediction is empty; both are None
        where all masks are. Empty where no mask is.
        """
        rows = [row for row in self.rows if not row.normal]
        empty = len(self.rows) - len(rows)
        if not empty:
            return {}
        dice = bootstrap_mean([row.dice for row in rows], [row.group_id for row in rows], resamples, seed)
        return {
            "images": len(rows),
            "empty_masks": empty,
            "dice": dice.to_json() if rows else None,
            "missed_rate": float(np.mean([row.empty for row in rows])) if rows else None,
        }

    def difference(self, other: Evaluation, metric: str = "dice", *, resamples: int, seed: int) -> Interval:
        """Mean of (this - other) in `metric` over the same images, paired by image_id, with its 95 % interval.

        Raises InputError when the two are not of the same images.
        """
        theirs = {row.image_id: row for row in other.rows}
        lonely = sorted({row.image_id for row in self.rows} ^ theirs.keys())
        if lonely:
            raise InputError(f"{_listed(lonely)}: evaluated on one side only; compare models on the same test images")
        reference = [getattr(theirs[row.image_id], metric) for row in self.rows]
        groups = [row.group_id for row in self.rows]
        return paired_difference(self._values(metric), reference, groups, resamples, seed)

    def to_frame(self) -> pd.DataFrame:
        """One row an image, one column a field of `ImageScore`; of several classes `dice_1` and so on are theirs."""
        import pandas as pd

        fields = [name for name in ImageScore.__dataclass_fields__ if name != "by_class"]
        classes = len(self.rows[0].by_class) if self.rows else 0
        return pd.DataFrame([_flat(row) for row in self.rows], columns=[*fields, *_columns(classes)])

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Evaluation:
        """What `to_frame` gave; a column that a field's default can stand for may be missing."""
        classes = [name for name in frame.columns if name.startswith("dice_")]
        fields = [name for name in frame.columns if name not in classes]
        rows = (dict(zip(fields, row, strict=True)) for row in frame[fields].itertuples(index=False, name=None))
        by_class = map(tuple, frame[classes].to_numpy().tolist())
        return cls(tuple(ImageScore(**row, by_class=dice) for row, dice in zip(rows, by_class, strict=True)))

    def _values(self, metric: str) -> list[float]:
        return [getattr(row, metric) for row in self.rows]


def _flat(row: ImageScore) -> dict[str, Any]:
    fields = asdict(row)
    by_class = fields.pop("by_class")
    return fields | dict(zip(_columns(len(by_class)), by_class, strict=True))


def _columns(classes: int) -> list[str]:
    return [f"dice_{label}" for label in range(1, classes + 1)]


def evaluate_masks(pairs: Iterable[Pair], classes: int, tolerance: float, total: int) -> Evaluation:
    """Score one pair after the other, so that only one needs to be in memory.

    `tolerance` is that of the surface Dice, in pixels. `total` is the number of pairs, for the progress shown.
    """
    rows = []
    with progress.task("evaluate", total) as shown:
        for image_id, group_id, prediction, mask in pairs:
            metrics = image_metrics(prediction, mask, classes, tolerance)
            by_class = dice_by_class(prediction, mask, classes) if classes > 1 else ()
            rows.append(ImageScore(image_id, group_id, **metrics, by_class=by_class, normal=not mask.any()))
            shown.advance()
    return Evaluation(tuple(rows))


def evaluate_folders(
    predictions: Path, masks: Path, classes: int, tolerance: float, groups: Path | None = None
) -> Evaluation:
    """Score the masks in folder `predictions` against those in `masks`, paired by name without extension.

    `groups` is a CSV with the columns image_id and group_id; an image that it does not name is its own group, which is
    said as a warning.

    Raises InputError, naming the files, when one side lacks a mask or has two of one name, when sizes differ, for files
    that cannot be read, and for `groups` that name none of the images.
    """
    predicted, expected = _files(predictions), _files(masks)
    if not predicted.keys() & expected.keys():
        raise InputError(f"{predictions}: no file has the name of one in {masks}; give both the names of the images")
    for present, absent, lacking in ((expected, predicted, predictions), (predicted, expected, masks)):
        if lonely := sorted(present.keys() - absent.keys()):
            files = _listed([present[image_id] for image_id in lonely])
            raise InputError(f"{files}: no file of that name in {lacking}; add it, or take these away")
    group_of = _groups(groups, expected) if groups else {}
    return evaluate_masks(_read_pairs(predicted, expected, group_of, classes), classes, tolerance, len(expected))


def _files(folder: Path) -> dict[str, str]:
    from medweave.data.images import list_images

    files: dict[str, str] = {}
    for image_id, uri in list_images(str(folder)):
        if image_id in files:
            raise InputError(f"{uri}: is the second file named {image_id}, after {files[image_id]}; keep one")
        files[image_id] = uri
    return files


def _read_pairs(
    predicted: Mapping[str, str], expected: Mapping[str, str], group_of: Mapping[str, str], classes: int
) -> Iterator[Pair]:
    from medweave.data.masks import read_mask
    from medweave.data.table import MaskRef

    for image_id in sorted(expected):
        prediction, mask = (
            read_mask(MaskRef(uri=side[image_id]), classes, max_pixels=MAX_PIXELS) for side in (predicted, expected)
        )
        if prediction.shape != mask.shape:
            made, wanted = (f"{width} x {height}" for height, width in (prediction.shape, mask.shape))
            raise InputError(f"{predicted[image_id]}: is {made} pixels but {expected[image_id]} is {wanted}; resize it")
        yield image_id, group_of.get(image_id, image_id), prediction, mask


def _groups(path: Path, ids: Mapping[str, str]) -> dict[str, str]:
    """The groups that the CSV gives the images; says of how many it has none, and how many of its names are none."""
    from medweave.data.sources import read_groups

    groups, strangers = read_groups(str(path), ids)
    if without := sorted(ids.keys() - groups.keys()):
        progress.say(
            f"warning: {path}: {len(without)} of {len(ids)} images have no group ('{without[0]}' is the first); "
            "each counts as a group of its own"
        )
    if strangers:
        progress.say(f"warning: {path}: {len(strangers)} of its ids are no image's ('{strangers[0]}' is the first)")
    return groups


def _listed(names: list[str]) -> str:
    """Up to ten names in one line, and how many more there are."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
