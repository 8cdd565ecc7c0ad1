"""What a run knows of itself, for MLflow and for the lineage of its model."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import distributions
from importlib.metadata import version as installed
from typing import Any

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.data.table import Decision, schema
from medweave.labeling import FittedLabeler
from medweave.quality import not_compared
from medweave.segmentation import Interval, Segmenter
from medweave.segmentation.metrics import METRICS
from medweave.tracking import Context, DatasetRecord
from medweave.version import code_digest

PACKAGES = ("torch", "torchvision", "segmentation-models-pytorch", "monai", "zenml", "mlflow", "numpy")
MLFLOW_TYPES = {"string": "string", "int32": "integer", "double": "double", "binary": "binary"}
DECISIONS: tuple[Decision, ...] = ("accept", "review", "reject")
TOLD = ("source", "features", "labels", "groups", "rank_correlation", "coverage", "coarse_dice")


def test_metrics(measured: Mapping[str, Mapping[str, Any]], gain: Interval) -> dict[str, float]:
    """Summaries of evaluations by model, and final - gold-only in Dice, as MLflow's metrics, with their intervals.

    Of several classes `dice_1` and so on are the Dice of each that is in an image.
    """
    metrics = {"test/delta/dice": gain.mean, "test/delta/dice_low": gain.low, "test/delta/dice_high": gain.high}
    for model, summary in measured.items():
        estimates = {metric: summary[metric] for metric in METRICS}
        estimates |= {
            f"dice_{label}": found["dice"] for label, found in enumerate(summary.get("by_class", ()), start=1)
        }
        for metric, value in estimates.items():
            if value:
                ends = zip(("", "_low", "_high"), (value["mean"], *value["ci95"]), strict=True)
                metrics |= {f"test/{model}/{metric}{end}": number for end, number in ends}
        metrics[f"test/{model}/empty_rate"] = summary["empty_rate"]
    return metrics


def label_metrics(drift: Mapping[str, Any], made: Mapping[str, ImageTable]) -> dict[str, float]:
    """What labels a run made, as MLflow's metrics: medians by source, counts by decision, mean predicted Dice.

    `drift` is what `LabelReport.to_json` gave; its sources are named such as `weak` and `weak accepted`.
    """
    metrics: dict[str, float] = {}
    for source, features in drift["drift"].items():
        metrics |= {f"labels/gold/{one['feature']}": one["gold_median"] for one in features}
        metrics |= {f"labels/{source}/{one['feature']}": one["median"] for one in features}
    for source, table in made.items():
        decided = table.decisions()
        metrics |= {f"decisions/{source}/{decision}": float(decided[decision]) for decision in DECISIONS if decided}
        rows = (row for shard in table.shards(["predicted_dice"]) for row in shard)
        predicted = [row.predicted_dice for row in rows if row.predicted_dice is not None]
        if predicted:
            metrics[f"labels/{source}/predicted_dice"] = sum(predicted) / len(predicted)
    return metrics


def code() -> dict[str, str]:
    """Versions of medweave, of Python and of what decides about results; the digest of medweave's sources."""
    versions = {package: installed(package) for package in PACKAGES}
    return {"medweave": installed("medweave"), "digest": code_digest(), "python": platform.python_version(), **versions}


def environment() -> str:
    """Every installed package with its version, one a line."""
    return "".join(sorted({f"{found.name}=={found.version}\n" for found in distributions()}))


def dataset_records(task: str, tables: Mapping[Context, ImageTable]) -> list[DatasetRecord]:
    """The datasets of a run that are not empty, with their columns and how many labels each decision got."""
    columns = {field.name: MLFLOW_TYPES.get(str(field.type), "string") for field in schema()}
    records = []
    for context, table in tables.items():
        if len(table):
            counts = {str(decision or "gold"): count for decision, count in table.decisions().items()}
            records.append(
                DatasetRecord(f"{task}-{context}", context, table.digest, len(table), table.root, counts, columns)
            )
    return records


def checks(validation: Mapping[str, Any], calibration: Mapping[str, Any], drift: Mapping[str, Any]) -> dict[str, str]:
    """`passed`, or why not, of the checks that a promotion may ask for."""
    errors = [finding["rule"] for finding in validation["findings"] if finding["level"] == "error"]
    accepted = [feature for name, found in drift["drift"].items() if name.endswith(" accepted") for feature in found]
    drifted = sorted({feature["feature"] for feature in accepted if feature["drifted"]})
    unlike = [f"accepted labels are unlike gold in {', '.join(drifted)}"] if drifted else []
    untested = [reason for made in ("weak", "synthetic") if (reason := not_compared(drift, made))]
    return {
        "validation": f"data broke {', '.join(errors)}" if errors else "passed",
        "calibration": "passed" if calibration["source"] else "the predicted Dice could not be learnt from gold",
        "drift": "; ".join([*unlike, *untested]) or "passed",
    }


def lineage_facts(
    run_id: str,
    settings: Settings,
    tables: Mapping[Context, ImageTable],
    models: Mapping[str, Segmenter],
    fitted: FittedLabeler,
    calibration: Mapping[str, Any],
) -> dict[str, Any]:
    """What all labels of a run share; see `medweave.tracking.lineage`."""
    return {
        "task": settings.task,
        "zenml_run_id": run_id,
        "code": code(),
        "config": settings.model_dump(mode="json"),
        "config_digest": settings.digest(),
        "datasets": {
            context: {"digest": table.digest, "rows": len(table), "where": table.root}
            for context, table in tables.items()
            if len(table)
        },
        "models": {role: model.digest for role, model in models.items()},
        "fitted": {"digest": fitted.digest, **fitted.card.to_json()},
        "calibration": {name: calibration[name] for name in TOLD},
    }
