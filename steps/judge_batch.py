"""The verdict on a measured batch, kept in the store and shown on its dashboards."""

from html import escape
from typing import Annotated, Any

from zenml import step
from zenml.types import HTMLString

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.data.corrections import store_of as corrections_of
from medweave.monitoring import expert_masks, judge, nothing_new, review_batches, shared_store
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
    """The batch's facts with its verdict, and drift.html; a batch without images is `ok`, and not kept.

    The dashboards take it up, with what experts have said of earlier batches by now.
    """
    about = images, observed["champion"], observed["labels"]
    if not len(measured):
        batch = nothing_new(measured, *about)
        return batch.to_json(), HTMLString(f"<!doctype html><p>{escape(images)}: {batch.verdict['notes'][0]}.</p>")
    with shared_store(settings) as store:
        batch = judge(store, measured, training, gold, *about, settings)
        review_batches(store, expert_masks(gold, corrections_of(settings.data, settings.task)), settings.data)
        page = (store.folder(batch) / PAGE).read_text(encoding="utf-8")
    refresh(settings)
    return batch.to_json(), HTMLString(page)
