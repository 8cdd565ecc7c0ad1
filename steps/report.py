"""Write the run's summary and page."""

import tempfile
from collections.abc import Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Annotated, Any

import yaml
from zenml import get_step_context, step
from zenml.types import HTMLString

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.data.images import read_image, to_rgb8
from medweave.data.inventory import Inventory
from medweave.errors import InputError, RunError
from medweave.labeling import FittedLabeler
from medweave.progress import say
from medweave.quality import feature_frame
from medweave.report import ReportContent, build_summary, examples, plots, render_report
from medweave.report.content import Example
from medweave.report.synthesis import synthetic_examples
from medweave.segmentation import Evaluation, Segmenter
from medweave.shared import is_shared, shared
from medweave.tracking import add_file, connect, keep_rest, log_files
from steps.cost import label_seconds, peak_memory_mb, seconds_since_start
from steps.refresh import refresh

PACKAGES = ("medweave", "torch", "zenml", "mlflow", "segmentation-models-pytorch")


@step(enable_cache=False)
def report(
    inventory: Inventory,
    validation: dict[str, Any],
    gold: ImageTable,
    unlabeled: ImageTable,
    weak: ImageTable,
    synthetic: ImageTable,
    test: ImageTable,
    drift: dict[str, Any],
    calibration: dict[str, Any],
    coarse: Segmenter,
    fitted: FittedLabeler,
    baseline: Segmenter,
    final: Segmenter,
    on_baseline: Evaluation,
    on_final: Evaluation,
    ablation: list[dict[str, Any]],
    version: dict[str, Any],
    promotion: dict[str, Any],
    settings: Settings,
    synthetic_checks: dict[str, Any] | None = None,
    synthetic_reasons: dict[str, Any] | None = None,
    synthetic_choice: dict[str, Any] | None = None,
) -> tuple[Annotated[dict[str, Any], "summary"], Annotated[HTMLString, "report_page"]]:
    """summary.json and report.html of a run; the page also goes to the MLflow run."""
    resamples, seed = settings.evaluation.resamples, settings.seed
    classes, max_pixels = len(settings.data.classes), settings.data.max_pixels
    run = get_step_context().pipeline_run
    summary = build_summary(
        str(run.id),
        settings,
        {"gold": gold, "unlabeled": unlabeled, "weak": weak, "synthetic": synthetic, "test": test},
        sum(count["set_aside"] for count in inventory.counts().values()),
        on_baseline.summary(resamples, seed),
        on_final.summary(resamples, seed),
        on_final.difference(on_baseline, resamples=resamples, seed=seed).to_json(),
        {
            **{key: version[key] for key in ("name", "version")},
            **{key: promotion[key] for key in ("promoted", "reason")},
        },
        {"total": seconds_since_start(run), "label": label_seconds(run)},
        peak_memory_mb(),
    )
    before = {row.image_id: row.dice for row in on_baseline.rows}
    after = {row.image_id: row.dice for row in on_final.rows}
    change = {image_id: after[image_id] - before[image_id] for image_id in after}
    losses = [image_id for image_id in examples.lowest(change) if change[image_id] < 0]
    captions = {image_id: f"Dice {after[image_id]:.2f}, gold only {before[image_id]:.2f}" for image_id in after}

    models = {"prediction": final.on(settings.compute), "baseline": baseline.on(settings.compute)}

    def shown(image_ids: list[str]) -> list[Example]:
        rows = examples.find_rows(test, image_ids)
        images = [to_rgb8(read_image(row.image_uri, max_pixels)) for row in rows]
        found = {name: list(model.predict_masks(images)) for name, model in models.items()}
        layers = [dict(zip(found, masks, strict=True)) for masks in zip(*found.values(), strict=True)]
        return examples.compared_examples(
            rows, dict(zip(image_ids, layers, strict=True)), captions, classes, max_pixels
        )

    frames = {
        "gold": feature_frame(gold, "gold"),
        "weak": feature_frame(weak, "weak"),
        "synthetic": feature_frame(synthetic, "synthetic"),
    }
    predicted = [
        row for table in (weak, synthetic) for shard in table.shards(["predicted_dice", "decision"]) for row in shard
    ]
    if synthetic_reasons is not None:
        calibration = {**calibration, "reasons": {**calibration["reasons"], "synthetic": synthetic_reasons}}
    synthesis = {"checks": synthetic_checks, "choice": synthetic_choice} if synthetic_checks is not None else {}
    content = ReportContent(
        summary=summary,
        task=settings.task,
        classes=settings.data.classes,
        settings_yaml=yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False),
        versions={package: installed(package) for package in PACKAGES},
        warnings=[finding for finding in validation["findings"] if finding["level"] == "warning"],
        gold_examples=examples.gold_examples(gold, classes, max_pixels),
        label_examples=examples.label_examples(weak, classes, max_pixels),
        failures=shown(examples.lowest(after)),
        losses=shown(losses),
        label_features={
            source: {str(name): frame[name].tolist() for name in frame}
            for source, frame in frames.items()
            if len(frame)
        },
        drift=drift["drift"],
        not_compared=drift["skipped"],
        predicted_dice=[
            (row.predicted_dice, row.decision or "") for row in predicted if row.predicted_dice is not None
        ],
        calibration=calibration,
        per_image=[(image_id, before[image_id], after[image_id]) for image_id in after],
        curves={**coarse.curves(), **baseline.curves(), **final.curves()},
        learned=fitted.card.told(),
        ablation=ablation,
        synthesis=synthesis,
        synthetic_examples=synthetic_examples(synthetic, [gold, weak], classes, max_pixels),
    )
    page = render_report(content)
    drawn = {f"plots/{name}": svg for name, svg in plots(content).items()}
    _keep_files(settings, str(run.id), version, {"report.html": page, **drawn})
    if is_shared():  # on one machine whoever waits for the run does so when it has ended
        refresh(settings)
    return summary, HTMLString(page)


def _keep_files(settings: Settings, run_id: str, version: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Put files among those of the MLflow run, or of the record that is kept for it."""
    if version["kept"]:
        _add_files(Path(version["kept"]), files)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        try:
            log_files(connect(settings.tracking), version["mlflow_run_id"], Path(folder))
        except (InputError, RunError) as error:
            _add_files(keep_rest(run_id, version["mlflow_run_id"], settings.tracking), files)
            say(f"warning: {', '.join(files)} did not get to MLflow: {error}; send them with 'medweave runs sync'")


def _add_files(folder: Path, files: Mapping[str, str]) -> None:
    with shared(folder):
        for name, text in files.items():
            add_file(folder, name, text)
