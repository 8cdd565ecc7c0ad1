"""How far an image is from the training images, as the built-in encoder sees them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from medweave.data import ImageRow
from medweave.data.images import read_image, to_rgb8
from medweave.labeling.compact.features import image_features as embeddings

NEAREST = 5
BATCH = 16


class Neighbours:
    """Training images as embeddings (Nx512 float32), each with its group; at least one image."""

    def __init__(self, vectors: NDArray[np.float32], groups: Sequence[str]) -> None:
        self._vectors = vectors
        self._unit = float(np.sqrt(vectors.var(axis=0).mean())) or 1.0
        self._groups = np.array(groups)

    @classmethod
    def of(cls, rows: Sequence[ImageRow], max_pixels: int) -> Neighbours:
        """The neighbours that these images make."""
        starts = range(0, len(rows), BATCH)
        parts = [
            embeddings([to_rgb8(read_image(row.image_uri, max_pixels)) for row in rows[start : start + BATCH]])
            for start in starts
        ]
        return cls(np.concatenate(parts), [row.group_id for row in rows])

    def distances(self, images: Sequence[NDArray[np.uint8]], groups: Iterable[str]) -> list[float]:
        """Mean Euclidean distance of each image HxWx3 to its 5 nearest training images of other groups than its own.

        A dimension counts by its own scale, and 1 is the root mean square deviation of the training images; NaN when
        there are fewer than 5. Leaving its own group out makes the distance of a training image comparable with that of
        a new one, and so does not weighing the dimensions by what the training images show.
        """
        found = []
        for vector, group in zip(embeddings(images), groups, strict=True):
            others = self._vectors[self._groups != group]
            squares = np.square(others - vector).mean(axis=1)
            near = np.partition(squares, NEAREST - 1)[:NEAREST] if len(others) >= NEAREST else np.nan
            found.append(float(np.mean(np.sqrt(near)) / self._unit))
        return found
