"""Weights of promptable models that others publish: what there is, fetching it, checking it, finding it again."""

from medweave.labeling.weights.catalogue import CATALOGUE, Published
from medweave.labeling.weights.checkpoint import Checkpoint, examine
from medweave.labeling.weights.store import available, fetch, find_weights, resolve_checkpoint, weights_folder

__all__ = [
    "CATALOGUE",
    "Checkpoint",
    "Published",
    "available",
    "examine",
    "fetch",
    "find_weights",
    "resolve_checkpoint",
    "weights_folder",
]
