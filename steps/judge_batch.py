"""The verdict on a measured batch, kept in the store and shown on its dashboards."""

from typing import Annotated, Any

from zenml import step
from zenml.types import HTMLString

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.monitoring import judge, store_of, update_workspace, versions_of, write_metrics
from medweave.monitoring.store import PAGE
from medweave.tracking import connect


@step(enable_cache=False)
def judge_batch(
    measured: ImageTable,
    training: ImageTable,
    gold: ImageTable,
    observed: dict[str, Any],
    images: str,
    settings: Settings,
) -> tuple[Annotated[dict[str, Any], "batch"], Annotated[HTMLString, "drift_page"]]:
    """The batch's facts with its verdict, and drift.html; Evidently's workspace and the metrics take it up."""
    store = store_of(settings)
    batch = judge(store, measured, training, gold, images, observed["champion"], observed["labels"], settings)
    versions = versions_of(connect(settings.tracking), settings.model_name)
    update_workspace(store, versions, settings)
    write_metrics(store, versions, settings)
    return batch.to_json(), HTMLString((store.folder(batch) / PAGE).read_text(encoding="utf-8"))
