"""Quality control of labels: cleanup, features, calibrated Dice, the gate, drift against gold."""

from medweave.quality.batch_verdict import LEVELS, BatchVerdict, Column, Level, judge_batch
from medweave.quality.calibration import Calibration, Pair, fit_calibration, uncalibrated
from medweave.quality.checks import Standard, check_labels, count_reasons, gold_standard, measure_labels, with_coarse
from medweave.quality.cleanup import clean_mask
from medweave.quality.drift import (
    FeatureDrift,
    LabelReport,
    act_on_drift,
    drift_from_gold,
    feature_frame,
    label_frames,
    label_report,
    not_compared,
)
from medweave.quality.features import FEATURES
from medweave.quality.gate import LabelBounds, bounds_from_features, decide
from medweave.quality.image_features import IMAGE_FEATURES, image_features
from medweave.quality.second_opinion import choose_labels, count_kept

__all__ = [
    "FEATURES",
    "IMAGE_FEATURES",
    "LEVELS",
    "BatchVerdict",
    "Calibration",
    "Column",
    "FeatureDrift",
    "LabelBounds",
    "LabelReport",
    "Level",
    "Pair",
    "Standard",
    "act_on_drift",
    "bounds_from_features",
    "check_labels",
    "choose_labels",
    "clean_mask",
    "count_kept",
    "count_reasons",
    "decide",
    "drift_from_gold",
    "feature_frame",
    "fit_calibration",
    "gold_standard",
    "image_features",
    "judge_batch",
    "label_frames",
    "label_report",
    "measure_labels",
    "not_compared",
    "uncalibrated",
    "with_coarse",
]
