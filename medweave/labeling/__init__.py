"""Weak labels: prompts from a coarse model, promptable models, and the run that labels a table."""

from medweave.labeling.chain import Chain, CoarsePredictor, Label, configured_chain
from medweave.labeling.consensus import Vote, consensus
from medweave.labeling.fitted import FittedLabeler, labeler_for
from medweave.labeling.fitting import fit_labeler, fit_to_gold
from medweave.labeling.gold_prompts import BoxErrors, GoldImage, GoldSet
from medweave.labeling.labelers import Labeler, Made, NoMask, Target, configured_labeler, create_labeler
from medweave.labeling.mask_prompts import MaskPrompts
from medweave.labeling.prompt_choice import choose_prompts, prompt_candidates
from medweave.labeling.prompts import Bounds, ClassBounds, Prompt, bounds_from_masks, prompts_from_probabilities
from medweave.labeling.run import label_images
from medweave.labeling.second_opinion import second_labeler, second_opinions

__all__ = [
    "Bounds",
    "BoxErrors",
    "Chain",
    "ClassBounds",
    "CoarsePredictor",
    "FittedLabeler",
    "GoldImage",
    "GoldSet",
    "Label",
    "Labeler",
    "Made",
    "MaskPrompts",
    "NoMask",
    "Prompt",
    "Target",
    "Vote",
    "bounds_from_masks",
    "choose_prompts",
    "configured_chain",
    "configured_labeler",
    "consensus",
    "create_labeler",
    "fit_labeler",
    "fit_to_gold",
    "label_images",
    "labeler_for",
    "prompt_candidates",
    "prompts_from_probabilities",
    "second_labeler",
    "second_opinions",
]
