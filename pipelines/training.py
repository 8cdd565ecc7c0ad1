"""From a handful of gold labels and many unlabeled images to a model fit to be promoted."""

from typing import Any

from zenml import pipeline
from zenml.enums import ExecutionMode

from medweave.config import Settings
from medweave.work import drop_finished
from steps.ablate import ablate
from steps.check_drift import check_drift
from steps.check_labels import check_labels
from steps.check_samples import check_samples
from steps.check_synthetic import check_synthetic
from steps.choose_synthetic import choose_synthetic
from steps.evaluate import evaluate
from steps.fit_labeler import fit_labeler
from steps.ingest import ingest
from steps.label import label
from steps.label_part import label_part
from steps.no_synthetic import no_synthetic
from steps.promote import promote
from steps.register import register
from steps.report import report
from steps.require_ready import require_ready
from steps.sample_part import sample_part
from steps.second_opinion import second_opinion
from steps.synthesize import synthesize
from steps.train_baseline import train_baseline
from steps.train_coarse import train_coarse
from steps.train_final import train_final
from steps.train_generator import train_generator
from steps.validate import validate


@pipeline(name="training", execution_mode=ExecutionMode.FAIL_FAST, on_cleanup=drop_finished)
def training(settings: Settings) -> None:
    """Ingest, validate, train coarse, fit the labeler, label, check, synthesize, train, evaluate, register, promote.

    The coarse model of a later round of labelling learns from the labels of the round before.
    """
    gold, unlabeled, test, inventory = ingest(settings.only("data", "compute"), settings.task)
    validation, _ = validate(inventory, settings.only("data", "validation"))
    labeler = require_ready(
        validation, settings.only("data", "labeling", "segmentation", "synthesis", "tracking", "compute")
    )

    recipe = settings.only("data", "segmentation", "compute")
    labeling = settings.only("data", "labeling", "quality", "compute")
    labelled = [("gold", gold), ("unlabeled", unlabeled)]
    parts = settings.cluster.parts if settings.cluster.parts > 1 else 0
    weak, checked, of_gold_alone = unlabeled, "require_ready", None
    for left in reversed(range(settings.labeling.rounds)):
        at = f"_round_{settings.labeling.rounds - left}" if left else ""
        coarse = train_coarse(gold, weak, recipe, id=f"train_coarse{at}", after=checked)
        of_gold_alone = of_gold_alone or coarse
        fitted = fit_labeler(gold, coarse, labeler, labeling, id=f"fit_labeler{at}")
        for part in range(parts):
            label_part(
                unlabeled, gold, coarse, labeler, fitted, "weak", part, parts, labeling,
                id=f"label_unlabeled_part_{part + 1}{at}",
            )  # fmt: skip
        of_gold, of_unlabeled = (
            label(
                images, gold, coarse, labeler, fitted, "weak", labeling, id=f"label_{name}{at}",
                after=[f"label_{name}_part_{part + 1}{at}" for part in range(parts) if name == "unlabeled"],
            )
            for name, images in labelled
        )  # fmt: skip
        second = None
        if settings.labeling.other_masks:
            second = second_opinion(of_unlabeled, labeler, settings.only("data", "labeling"), id=f"second_opinion{at}")
        weak, measured_gold, drift, calibration, _ = check_labels(
            gold, of_gold, of_unlabeled, settings.only("data", "quality"), second, id=f"check_labels{at}"
        )
        checked = f"check_drift{at}"
        check_drift(drift, settings.only("quality"), id=checked)

    found: dict[str, Any] = {}
    if settings.synthesis.enabled:
        making = settings.only("data", "synthesis", "compute")
        generator = train_generator(gold, weak, making, after=checked)
        for part in range(parts):
            sample_part(generator, gold, weak, part, parts, making, id=f"synthesize_part_{part + 1}")
        sampled = [f"synthesize_part_{part + 1}" for part in range(parts)]
        samples = synthesize(generator, gold, weak, making, after=sampled)
        for part in range(parts):
            label_part(
                samples, gold, coarse, labeler, fitted, "synthetic", part, parts, labeling,
                id=f"label_synthetic_part_{part + 1}",
            )  # fmt: skip
        of_samples = label(
            samples, gold, coarse, labeler, fitted, "synthetic", labeling, id="label_synthetic",
            after=[f"label_synthetic_part_{part + 1}" for part in range(parts)],
        )  # fmt: skip
        kept, found["checks"] = check_samples(
            samples, of_samples, gold, weak, labeler, fitted,
            settings.only("data", "labeling", "quality", "synthesis", "compute"),
        )  # fmt: skip
        synthetic, drift, found["reasons"], _ = check_synthetic(
            measured_gold, of_gold, weak, kept, settings.only("data", "quality")
        )
        checked = "check_drift_synthetic"
        check_drift(drift, settings.only("quality"), "synthetic", id=checked)
        used, found["choice"] = choose_synthetic(
            gold, weak, synthetic, settings.only("data", "segmentation", "synthesis", "compute"), after=checked
        )
    else:
        synthetic = used = no_synthetic()

    baseline = train_baseline(gold, of_gold_alone, recipe, after=checked)
    final = train_final(gold, weak, used, coarse, recipe, after=checked)
    on_baseline, on_final = evaluate(test, baseline, final, settings.only("data", "evaluation", "compute"))
    ablation = ablate(
        gold, weak, used, test, coarse, on_final, settings.only("data", "segmentation", "evaluation", "compute")
    )

    version = register(
        gold, weak, used, test, validation, drift, calibration,
        coarse, fitted, baseline, final, on_baseline, on_final, settings,
    )  # fmt: skip
    promotion = promote(version, test, settings)
    report(
        inventory, validation, measured_gold, unlabeled, weak, synthetic, test, drift, calibration,
        coarse, fitted, baseline, final, on_baseline, on_final, ablation, version, promotion, settings,
        **{f"synthetic_{name}": told for name, told in found.items()},
    )  # fmt: skip
