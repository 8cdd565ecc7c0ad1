"""The built-in promptable model: a small Sam trained on drawn scenes, whose weights come with medweave."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from medweave.compute import Precision
    from medweave.labeling.sam import EmbeddingCache, SamLabeler


def load_compact(
    device: str | torch.device,
    precision: Precision,
    classes: int = 1,
    cache: EmbeddingCache | None = None,
) -> SamLabeler:
    """The labeler `compact` with the weights in this package; its digest is their SHA-256.

    Raises InputError when the weights are missing or are not those that their card names.
    """
    from medweave.labeling.compact.weights import load_model
    from medweave.labeling.sam import SamLabeler

    sam, digest = load_model()
    return SamLabeler(sam, "compact", "compact", digest, device, precision, classes, cache)
