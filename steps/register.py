"""Record the run in MLflow and register the final model."""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

from zenml import get_step_context, step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.segmentation import Evaluation, Segmenter
from medweave.tracking import Context, DatasetRecord, RunRecord, connect, log_run, register_model
from medweave.version import code_digest


@step(enable_cache=False)
def register(
    gold: ImageTable,
    weak: ImageTable,
    synthetic: ImageTable,
    test: ImageTable,
    coarse: Segmenter,
    baseline: Segmenter,
    final: Segmenter,
    on_baseline: Evaluation,
    on_final: Evaluation,
    settings: Settings,
) -> Annotated[dict[str, Any], "version"]:
    """The MLflow run and the version of the registered model; a model that is registered already keeps its version."""
    resamples, seed = settings.evaluation.resamples, settings.seed
    gain = on_final.difference(on_baseline, resamples=resamples, seed=seed)
    tables: dict[Context, ImageTable] = {"gold": gold, "weak": weak, "synthetic": synthetic, "test": test}
    datasets = [
        DatasetRecord(f"{settings.task}-{context}", context, table.digest, len(table), table.root)
        for context, table in tables.items()
        if len(table)
    ]
    zenml_run = str(get_step_context().pipeline_run.id)
    metrics = {
        f"test/{model}/{metric}": value["mean"]
        for model, evaluation in (("gold_only", on_baseline), ("final", on_final))
        for metric, value in evaluation.summary(resamples, seed).items()
        if metric != "empty_rate"
    }
    client = connect(settings.tracking)
    run_id = log_run(
        client,
        RunRecord(
            task=settings.task,
            name=get_step_context().pipeline_run.name,
            settings=settings.model_dump(mode="json"),
            metrics={**metrics, "test/delta/dice": gain.mean, "test/delta/dice_low": gain.low},
            curves={**coarse.curves(), **baseline.curves(), **final.curves()},
            datasets=datasets,
            tags={"zenml_run_id": zenml_run, "config_digest": settings.digest(), "code_digest": code_digest()},
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        final.save(Path(folder))
        version = register_model(
            client,
            run_id,
            settings.model_name,
            Path(folder),
            model_digest=final.digest,
            evaluation_digest=on_final.digest,
            tags={"zenml_run_id": zenml_run, "test_dice": json.dumps(on_final.summary(resamples, seed)["dice"])},
            description=f"{settings.task}: final model of run {zenml_run}",
        )
    return {"name": version.name, "version": version.version, "mlflow_run_id": run_id}
