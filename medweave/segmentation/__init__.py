"""Networks, their training and prediction, and how good they are."""

from medweave.segmentation.ablation import ablate
from medweave.segmentation.bootstrap import Interval
from medweave.segmentation.cross_validation import train_coarse
from medweave.segmentation.evaluation import Evaluation, ImageScore
from medweave.segmentation.final import train_on
from medweave.segmentation.prediction import OutOfFold, evaluate_segmenter
from medweave.segmentation.segmenter import Segmenter
from medweave.segmentation.synthetic_choice import choose_synthetic
from medweave.segmentation.training_set import build_training_set

__all__ = [
    "Evaluation",
    "ImageScore",
    "Interval",
    "OutOfFold",
    "Segmenter",
    "ablate",
    "build_training_set",
    "choose_synthetic",
    "evaluate_segmenter",
    "train_coarse",
    "train_on",
]
