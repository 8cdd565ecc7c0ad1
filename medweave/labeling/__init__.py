"""Weak labels: prompts from a coarse model, promptable models, and the run that labels a table."""

from medweave.labeling.labelers import Labeler, NoMaskError, create_labeler
from medweave.labeling.prompts import Bounds, ClassBounds, Prompt, bounds_from_masks, prompts_from_probabilities
from medweave.labeling.run import CoarsePredictor, label_images

__all__ = [
    "Bounds",
    "ClassBounds",
    "CoarsePredictor",
    "Labeler",
    "NoMaskError",
    "Prompt",
    "bounds_from_masks",
    "create_labeler",
    "label_images",
    "prompts_from_probabilities",
]
