"""Which labels an expert should look at first: uncertain ones that speak for many others, and no two alike."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medweave import progress
from medweave.data.images import read_image, to_rgb8
from medweave.data.table import ImageRow, ImageTable

SIDE = 16
BLOCK = 256
DECISIONS: Mapping[str | None, str] = {"accept": "accepted", "review": "to review", "reject": "rejected"}


@dataclass(frozen=True)
class Pick:
    """A row to look at, and why, in plain words."""

    row: ImageRow
    why: str


def choose_for_review(
    labels: ImageTable, count: int, max_pixels: int, corrected: Collection[str] = frozenset()
) -> list[Pick]:
    """The `count` rows of checked labels (or all, if there are fewer) whose correction helps most, best first.

    Every image can be chosen, also one without a label; those whose image_sha256 is in `corrected` are left out, and of
    equal images all but one. See `uncertainty`, `appearance` and `greedy_cover` for what is weighed.
    Raises InputError for an image that cannot be read.
    """
    columns = ("made_by", "predicted_dice", "low", "high", "decision", "features")
    rows = {row.image_sha256: row for shard in labels.shards(columns) for row in shard}
    candidates = sorted((row for sha256, row in rows.items() if sha256 not in corrected), key=lambda row: row.image_id)
    if not candidates:
        return []
    vectors = appearance(candidates, max_pixels)
    weights = np.array([uncertainty(row) for row in candidates])
    chosen = greedy_cover(weights, vectors, count)
    shares = weights[chosen, None] * (vectors[chosen] @ vectors.T)
    spoken_for = np.bincount(shares.argmax(axis=0), minlength=len(chosen))
    why = {
        candidates[index].image_id: f"{_told(candidates[index])}; stands for {share} of {len(candidates)} images"
        for index, share in zip(chosen, spoken_for, strict=True)
    }
    whole = {row.image_id: row for shard in labels.shards() for row in shard if row.image_id in why}
    return [Pick(whole[image_id], words) for image_id, words in why.items()]


def uncertainty(row: ImageRow) -> float:
    """How little is known of whether a label is right, 0..1.

    1 - |2 Dice - 1| of the predicted Dice, which is 1 halfway between right and wrong and 0 at both ends, so that
    labels to review come before borderline ones, and those before clear ones; averaged with the width of its interval
    if there is one. Where a second opinion gave the image another label, the predicted Dice counts half and that of the
    two labels the other half: labels of which one must be wrong are not known to be right. Where nothing was predicted
    it is 0.5, the mean over all Dice from 0 to 1.
    """
    if row.predicted_dice is None:
        return 0.5
    believed = (row.predicted_dice + row.features.get("second_opinion", row.predicted_dice)) / 2
    undecided = 1.0 - abs(2 * believed - 1)
    return undecided if row.low is None or row.high is None else (undecided + row.high - row.low) / 2


def appearance(rows: list[ImageRow], max_pixels: int) -> NDArray[np.float64]:
    """A unit vector an image: its gray 16x16 thumbnail, less the mean of all; shape (len(rows), 257).

    The last coordinate is next to nothing; it gives a direction of its own to an image that is just like the mean.
    """
    import cv2

    thumbnails = np.zeros((len(rows), SIDE * SIDE + 1))
    with progress.task("compare images", len(rows), unit="images") as task:
        for index, row in enumerate(rows):
            gray = cv2.cvtColor(to_rgb8(read_image(row.image_uri, max_pixels)), cv2.COLOR_RGB2GRAY)
            thumbnails[index, :-1] = cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel() / 255
            task.advance()
    thumbnails -= thumbnails.mean(axis=0)
    thumbnails[:, -1] = 1e-6
    vectors: NDArray[np.float64] = thumbnails / np.linalg.norm(thumbnails, axis=1, keepdims=True)
    return vectors


def greedy_cover(weights: NDArray[np.float64], vectors: NDArray[np.float64], count: int) -> list[int]:
    """Choose indices S, best first, that make sum_i max_{s in S} w_i w_s sim(i, s) large; ties go to the lower index.

    `weights` w (n,) are >= 0, `vectors` (n, d) of unit length, and sim is their cosine, at least 0. So an item is worth
    its own weight times that of all that is like it, as far as those before it do not stand for the same. That is
    facility location, a monotone submodular function, for which greedy choice is within 1 - 1/e of the best (Nemhauser,
    Wolsey & Fisher 1978; for choosing what to label: Wei, Iyer & Bilmes, ICML 2015); evaluated lazily (Minoux 1978), a
    block of rows at a time.
    """
    bounds = np.concatenate(
        [
            weights[start : start + BLOCK] * (_similar(vectors, vectors[start : start + BLOCK]) @ weights)
            for start in range(0, len(weights), BLOCK)
        ]
    )
    queue = [(-bound, index) for index, bound in enumerate(bounds.tolist())]
    heapq.heapify(queue)
    covered = np.zeros(len(weights))
    chosen: list[int] = []
    while queue and len(chosen) < count:
        _, index = heapq.heappop(queue)
        served = weights[index] * weights * _similar(vectors, vectors[index])
        gain = float(np.maximum(served - covered, 0.0).sum())
        if queue and (-gain, index) > queue[0]:
            heapq.heappush(queue, (-gain, index))
        else:
            chosen.append(index)
            covered = np.maximum(covered, served)
    return chosen


def _similar(vectors: NDArray[np.float64], to: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(to @ vectors.T, 0.0)


def _told(row: ImageRow) -> str:
    if "missing" in row.made_by:
        return f"no label: {row.made_by['missing']}"
    return f"{DECISIONS.get(row.decision, 'not checked')}: {row.made_by.get('reason', 'no reason is known')}"
