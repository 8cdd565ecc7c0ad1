"""Quality control of labels: cleanup, features, calibrated Dice, the gate, drift against gold."""

from medweave.quality.calibration import Calibration, fit_calibration, uncalibrated
from medweave.quality.checks import calibrate, check_labels, gold_bounds, measure_labels, with_coarse
from medweave.quality.cleanup import clean_mask
from medweave.quality.drift import LabelReport, feature_frame, label_report
from medweave.quality.features import FEATURES, label_features
from medweave.quality.gate import LabelBounds, bounds_from_features, decide

__all__ = [
    "FEATURES",
    "Calibration",
    "LabelBounds",
    "LabelReport",
    "bounds_from_features",
    "calibrate",
    "check_labels",
    "clean_mask",
    "decide",
    "feature_frame",
    "fit_calibration",
    "gold_bounds",
    "label_features",
    "label_report",
    "measure_labels",
    "uncalibrated",
    "with_coarse",
]
