"""The verdict on a measured batch, kept in the store and shown on its dashboards."""

from typing import Annotated, Any

from zenml import step
from zenml.types import HTMLString

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.data.corrections import store_of as corrections_of
from medweave.monitoring import expert_masks, judge, review_batches, shared_store
from medweave.monitoring.store import PAGE
from steps.refresh import refresh


@step(enable_cache=False)
def judge_batch(
    measured: ImageTable,
    training: ImageTable,
    gold: ImageTable,
    observed: dict[str, Any],
    images: str,
    settings: Settings,
) -> tuple[Annotated[dict[str, Any], "batch"], Annotated[HTMLString, "drift_page"]]:
    """The batch's facts with its verdict, and drift.html.

    The dashboards take it up, with what experts have said of earlier batches by now.
    """
    with shared_store(settings) as store:
        batch = judge(store, measured, training, gold, images, observed["champion"], observed["labels"], settings)
        review_batches(store, expert_masks(gold, corrections_of(settings.data, settings.task)), settings.data)
        refresh(settings)
        return batch.to_json(), HTMLString((store.folder(batch) / PAGE).read_text(encoding="utf-8"))
