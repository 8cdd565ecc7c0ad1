"""From a handful of gold labels and many unlabeled images to a model fit to be promoted."""

from typing import Any

from zenml import pipeline
from zenml.enums import ExecutionMode

from medweave.config import Settings
from medweave.data.table import LabelSource
from steps.ablate import ablate
from steps.check_drift import check_drift
from steps.check_labels import check_labels
from steps.evaluate import evaluate
from steps.fit_labeler import fit_labeler
from steps.ingest import ingest
from steps.label import label
from steps.promote import promote
from steps.register import register
from steps.report import report
from steps.require_ready import require_ready
from steps.synthesize import synthesize
from steps.train_baseline import train_baseline
from steps.train_coarse import train_coarse
from steps.train_final import train_final
from steps.validate import validate


@pipeline(name="training", execution_mode=ExecutionMode.FAIL_FAST)
def training(settings: Settings) -> None:
    """Ingest, validate, synthesize, train coarse, fit the labeler, label, check, train, evaluate, register, promote.

    The coarse model of a later round of labelling learns from the labels of the round before.
    """
    gold, unlabeled, test, inventory = ingest(settings.only("data", "compute"), settings.task)
    validation, _ = validate(inventory, settings.only("data", "validation"))
    labeler = require_ready(
        validation, settings.only("data", "labeling", "segmentation", "synthesis", "tracking", "compute")
    )

    synthetic = synthesize(gold, unlabeled, settings.only("data", "synthesis"), after="require_ready")
    recipe = settings.only("data", "segmentation", "compute")
    labeling = settings.only("data", "labeling", "quality", "compute")
    labelled: list[tuple[str, Any, LabelSource]]
    labelled = [("gold", gold, "weak"), ("unlabeled", unlabeled, "weak"), ("synthetic", synthetic, "synthetic")]
    weak, checked = unlabeled, "require_ready"
    for left in reversed(range(settings.labeling.rounds)):
        at = f"_round_{settings.labeling.rounds - left}" if left else ""
        coarse = train_coarse(gold, weak, recipe, id=f"train_coarse{at}", after=checked)
        fitted = fit_labeler(gold, coarse, labeler, labeling, id=f"fit_labeler{at}")
        of_gold, of_unlabeled, of_synthetic = (
            label(images, gold, coarse, labeler, fitted, source, labeling, id=f"label_{name}{at}")
            for name, images, source in labelled
        )
        weak, made, measured_gold, drift, calibration, _ = check_labels(
            gold, of_gold, of_unlabeled, of_synthetic, settings.only("data", "quality"), id=f"check_labels{at}"
        )
        checked = f"check_drift{at}"
        check_drift(drift, settings.only("quality"), id=checked)

    baseline = train_baseline(gold, coarse, recipe, after="check_drift")
    final = train_final(gold, weak, made, coarse, recipe, after="check_drift")
    on_baseline, on_final = evaluate(test, baseline, final, settings.only("data", "evaluation", "compute"))
    ablation = ablate(
        gold, weak, made, test, coarse, on_final, settings.only("data", "segmentation", "evaluation", "compute")
    )

    version = register(
        gold, weak, made, test, validation, drift, calibration,
        coarse, fitted, baseline, final, on_baseline, on_final, settings,
    )  # fmt: skip
    promotion = promote(version, test, settings)
    report(
        inventory, validation, measured_gold, unlabeled, weak, made, test, drift, calibration,
        coarse, fitted, baseline, final, on_baseline, on_final, ablation, version, promotion, settings,
    )  # fmt: skip
