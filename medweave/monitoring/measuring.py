"""What is watched of each image: the image itself, its label, and what the models say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medweave import progress
from medweave.config import Data
from medweave.data import ImageRow, ImageTable, MaskRef, ShardWriter
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import encode_mask, read_mask
from medweave.errors import InputError
from medweave.monitoring.neighbours import Neighbours
from medweave.quality import image_features
from medweave.quality.features import SHAPE_FEATURES, mask_dice, small_mask, small_view, view_features
from medweave.segmentation import Segmenter
from medweave.segmentation.postprocessing import class_map

OF_A_LABEL = tuple(name for name in SHAPE_FEATURES if name not in ("area_share", "components"))
"""Features that an empty label does not have."""


@dataclass(frozen=True)
class Observers:
    """Who looks at the images: training images to be near to, models, and labels made elsewhere (image id to mask).

    Without `labels` the champion's predictions are the labels; without either only the images are watched. With them an
    image that has none is watched without.
    """

    neighbours: Neighbours | None = None
    champion: Segmenter | None = None
    challenger: Segmenter | None = None
    labels: Mapping[str, MaskRef] | None = None


@dataclass(frozen=True)
class _Seen:
    """What a model says of N images: class maps HxW uint8, probabilities CxSxS and, where it flips, its agreement."""

    masks: Sequence[NDArray[np.uint8]]
    probabilities: Sequence[NDArray[np.float32]]
    flip_agreement: NDArray[np.float32] | None


def measure(table: ImageTable, observers: Observers, data: Data, work: Path) -> ImageTable:
    """The table, written to `work`, with `features` of each image and with the label that they are about.

    - `image.*`: see `image_features`, and `image.embedding_distance` (see `Neighbours.distances`)
    - `label.*`: see `view_features`; `label.empty`, 1 for an empty label, whose other features but area_share and
      components are left out; `label.agreement`, Dice of a label made elsewhere and the champion's mask
    - `model.confidence`: mean |2p - 1| over the champion's mask and a ring around it, 0..1; `model.flip_agreement`, see
      `Prediction`; `model.disagreement`: 1 - Dice of champion and challenger

    Goes on after the shards that `work` already has.
    """
    writer = ShardWriter(work)
    with progress.task("measure images", len(table), unit="images") as shown:
        for index, shard in enumerate(table.manifest["shards"]):
            if writer.has(index):
                shown.skip(int(shard["rows"]))
                continue
            rows = table.shard(index)
            writer.write(index, _measured(rows, observers, data))
            shown.advance(len(rows))
    return writer.finish()


def _measured(rows: Sequence[ImageRow], observers: Observers, data: Data) -> list[ImageRow]:
    images = [to_rgb8(read_image(row.image_uri, data.max_pixels)) for row in rows]
    champion = _look(observers.champion, images)
    challenger = _look(observers.challenger, images)
    near = observers.neighbours.distances(images, [row.group_id for row in rows]) if observers.neighbours else None
    found = []
    for k, (row, image) in enumerate(zip(rows, images, strict=True)):
        features = {f"image.{name}": value for name, value in image_features(image).items()}
        if near is not None:
            features["image.embedding_distance"] = near[k]
        label, made_by = _given(row, image, observers, data)
        if champion is not None:
            predicted = champion.masks[k]
            features |= _of_champion(image, predicted, champion, k)
            if label is not None:
                features["label.agreement"] = mask_dice(label, predicted, len(data.classes))
            elif observers.champion is not None and observers.labels is None:
                label, made_by = predicted, {"segmenter": observers.champion.digest}
            if challenger is not None:
                features["model.disagreement"] = 1 - mask_dice(predicted, challenger.masks[k], len(data.classes))
        if label is not None:
            features |= _of_label(image, label)
            row = row.with_label("weak", MaskRef(png=encode_mask(label)), made_by)
        found.append(replace(row, features={name: value for name, value in features.items() if np.isfinite(value)}))
    return found


def _look(segmenter: Segmenter | None, images: Sequence[NDArray[np.uint8]]) -> _Seen | None:
    if segmenter is None:
        return None
    seen = segmenter.predict(images)
    masks = [
        class_map(probabilities, image.shape[0], image.shape[1], segmenter.card.most_components)
        for image, probabilities in zip(images, seen.probabilities, strict=True)
    ]
    return _Seen(masks, list(seen.probabilities), seen.flip_agreement)


def _given(
    row: ImageRow, image: NDArray[np.uint8], observers: Observers, data: Data
) -> tuple[NDArray[np.uint8] | None, dict[str, str]]:
    """The label made elsewhere, if there are such."""
    if observers.labels is None or row.image_id not in observers.labels:
        return None, {}
    mask = read_mask(observers.labels[row.image_id], len(data.classes), data.max_pixels)
    if mask.shape != image.shape[:2]:
        where = observers.labels[row.image_id].uri
        raise InputError(f"{where}: is {mask.shape[1]}x{mask.shape[0]}, its image is {image.shape[1]}x{image.shape[0]}")
    return mask, {"labeler": "given"}


def _of_champion(image: NDArray[np.uint8], mask: NDArray[np.uint8], seen: _Seen, k: int) -> dict[str, float]:
    margin = view_features(small_view(image, seen.probabilities[k]), small_mask(mask))["margin"]
    agreement = {} if seen.flip_agreement is None else {"model.flip_agreement": float(seen.flip_agreement[k])}
    return {"model.confidence": margin, **agreement}


def _of_label(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> dict[str, float]:
    features = view_features(small_view(image, None), small_mask(mask))
    empty = not mask.any()
    kept = {f"label.{name}": value for name, value in features.items() if not (empty and name in OF_A_LABEL)}
    return {**kept, "label.empty": float(empty)}
