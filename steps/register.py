"""Record the run in MLflow and register the final model."""

import json
import tempfile
import time
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any

import yaml
from mlflow.exceptions import MlflowException
from zenml import get_step_context, step
from zenml.client import Client

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.errors import InputError, RunError, first_line
from medweave.labeling import FittedLabeler
from medweave.progress import say
from medweave.promotion.scores import FOLDER as SCORES
from medweave.promotion.scores import write_scores
from medweave.segmentation import Evaluation, Segmenter
from medweave.shared import shared, shared_uri
from medweave.tracking import Context, Registration, RunRecord, connect, keep, keep_rest, send
from medweave.tracking.lineage import FOLDER, write_lineage
from steps.model_control_plane import name_each_other
from steps.run_facts import checks, dataset_records, environment, label_metrics, lineage_facts, test_metrics


@step(enable_cache=False)
def register(
    gold: ImageTable,
    weak: ImageTable,
    synthetic: ImageTable,
    test: ImageTable,
    validation: dict[str, Any],
    drift: dict[str, Any],
    calibration: dict[str, Any],
    coarse: Segmenter,
    fitted: FittedLabeler,
    baseline: Segmenter,
    final: Segmenter,
    on_baseline: Evaluation,
    on_final: Evaluation,
    settings: Settings,
) -> Annotated[dict[str, Any], "version"]:
    """The MLflow run and the version of the registered model; a model that is registered already keeps its version.

    When MLflow is out of reach, `version` is None and `kept` names the folder that holds all that it should get.
    """
    run = get_step_context().pipeline_run
    tables: dict[Context, ImageTable] = {"gold": gold, "weak": weak, "synthetic": synthetic, "test": test}
    models = {"coarse": coarse, "gold_only": baseline, "final": final}
    measured = {
        name: evaluation.summary(settings.evaluation.resamples, settings.seed)
        for name, evaluation in (("gold_only", on_baseline), ("final", on_final))
    }
    gain = on_final.difference(on_baseline, resamples=settings.evaluation.resamples, seed=settings.seed)
    facts = lineage_facts(str(run.id), settings, tables, models, fitted, calibration)
    tags = {"zenml_run_id": str(run.id), "zenml_run": run.name, "config_digest": settings.digest()}
    with tempfile.TemporaryDirectory() as made:
        files, saved = Path(made) / "files", Path(made) / "models"
        labels = write_lineage(files / FOLDER, (gold, weak, synthetic), facts)
        (files / "config.yaml").write_text(yaml.safe_dump(facts["config"], sort_keys=False), encoding="utf-8")
        (files / "packages.txt").write_text(environment(), encoding="utf-8")
        write_scores(files / SCORES, "gold_only", test, on_baseline)
        write_scores(files / SCORES, "final", test, on_final)
        for role, model in models.items():
            model.save(saved / role)
        record = RunRecord(
            task=settings.task,
            name=run.name,
            settings=facts["config"],
            metrics=test_metrics(measured, gain) | label_metrics(drift, {"weak": weak, "synthetic": synthetic}),
            curves={**coarse.curves(), **baseline.curves(), **final.curves()},
            datasets=dataset_records(settings.task, tables),
            artifacts=sorted(files.iterdir()),
            tags={**tags, **{f"code.{name}": version for name, version in facts["code"].items()}},
            started=None if run.start_time is None else round(run.start_time.replace(tzinfo=UTC).timestamp() * 1000),
            ended=time.time_ns() // 1_000_000,
        )
        version_tags = {
            **tags,
            **{f"labels.{source}": f"{count['learned']} of {count['made']}" for source, count in labels.items()},
            **{f"check.{check}": said for check, said in checks(validation, calibration, drift).items()},
            "test.digest": test.digest,
            "test.images": str(len(test)),
            "test_dice": json.dumps(measured["final"]["dice"]),
            "gold_only_dice": json.dumps(measured["gold_only"]["dice"]),
        }
        registration = Registration(settings.model_name, final.digest, on_final.digest, version_tags)
        kept = keep(str(run.id), record, registration, {role: saved / role for role in models})
    try:
        client = connect(settings.tracking)
        sent = send(client, kept)
    except (InputError, RunError) as error:
        with shared(kept):
            say(f"warning: {error}; the run's record is kept in {shared_uri(kept)}")
        return {"name": settings.model_name, "version": None, "mlflow_run_id": None, "kept": str(kept)}
    here = get_step_context().model
    try:
        name_each_other(client, sent, Client().get_model_version(here.name, here.version), labels)
    except MlflowException as error:
        with shared(keep_rest(str(run.id), sent.run_id, settings.tracking)):
            say(f"warning: {first_line(error)}; 'medweave runs sync' lets ZenML and MLflow name each other")
    return {"name": sent.version.name, "version": sent.version.version, "mlflow_run_id": sent.run_id, "kept": None}
