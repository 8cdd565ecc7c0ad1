"""From a handful of gold labels and many unlabeled images to a model fit to be promoted."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from medweave.config import Settings
from steps.check_labels import check_labels
from steps.evaluate import evaluate
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
    """Ingest, validate, synthesize, train coarse, label, check, train, evaluate, register, promote, report."""
    gold, unlabeled, test, inventory = ingest(settings.only("data", "compute"))
    validation, _ = validate(inventory, settings.only("data", "validation"))
    labeler = require_ready(
        validation, settings.only("data", "labeling", "segmentation", "synthesis", "tracking", "compute")
    )

    synthetic = synthesize(gold, unlabeled, settings.only("data", "synthesis"), after="require_ready")
    recipe = settings.only("data", "segmentation", "compute")
    coarse = train_coarse(gold, recipe, after="require_ready")

    labeling = settings.only("data", "labeling", "quality", "compute")
    gold_weak = label(gold, gold, coarse, labeler, "weak", labeling, id="label_gold")
    weak = label(unlabeled, gold, coarse, labeler, "weak", labeling, id="label_unlabeled")
    made = label(synthetic, gold, coarse, labeler, "synthetic", labeling, id="label_synthetic")
    weak, made, measured_gold, drifted, _ = check_labels(gold, gold_weak, weak, made, settings.only("data", "quality"))

    baseline = train_baseline(gold, coarse, recipe)
    final = train_final(gold, weak, made, coarse, recipe)
    on_baseline, on_final = evaluate(test, baseline, final, settings.only("data", "evaluation", "compute"))

    version = register(gold, weak, made, test, coarse, baseline, final, on_baseline, on_final, settings)
    promotion = promote(version, test, on_baseline, on_final, settings)
    report(
        inventory, validation, measured_gold, unlabeled, weak, made, test, drifted,
        coarse, baseline, final, on_baseline, on_final, version, promotion, settings,
    )  # fmt: skip
