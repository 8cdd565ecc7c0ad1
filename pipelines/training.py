"""From a handful of gold labels and many unlabeled images to a model fit to be promoted."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from medweave.config import Settings
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
    """Ingest, validate, synthesize, train coarse, fit the labeler, label, check, train, evaluate, register, promote."""
    gold, unlabeled, test, inventory = ingest(settings.only("data", "compute"))
    validation, _ = validate(inventory, settings.only("data", "validation"))
    labeler = require_ready(
        validation, settings.only("data", "labeling", "segmentation", "synthesis", "tracking", "compute")
    )

    synthetic = synthesize(gold, unlabeled, settings.only("data", "synthesis"), after="require_ready")
    recipe = settings.only("data", "segmentation", "compute")
    coarse = train_coarse(gold, recipe, after="require_ready")

    labeling = settings.only("data", "labeling", "quality", "compute")
    fitted = fit_labeler(gold, coarse, labeler, labeling)
    gold_weak = label(gold, gold, coarse, labeler, fitted, "weak", labeling, id="label_gold")
    weak = label(unlabeled, gold, coarse, labeler, fitted, "weak", labeling, id="label_unlabeled")
    made = label(synthetic, gold, coarse, labeler, fitted, "synthetic", labeling, id="label_synthetic")
    weak, made, measured_gold, drifted, _ = check_labels(gold, gold_weak, weak, made, settings.only("data", "quality"))

    baseline = train_baseline(gold, coarse, recipe)
    final = train_final(gold, weak, made, coarse, recipe)
    on_baseline, on_final = evaluate(test, baseline, final, settings.only("data", "evaluation", "compute"))

    version = register(gold, weak, made, test, coarse, baseline, final, on_baseline, on_final, settings)
    promotion = promote(version, test, on_baseline, on_final, settings)
    report(
        inventory, validation, measured_gold, unlabeled, weak, made, test, drifted,
        coarse, fitted, baseline, final, on_baseline, on_final, version, promotion, settings,
    )  # fmt: skip
