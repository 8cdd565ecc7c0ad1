"""Decide whether a drift starts the training pipeline."""

from dataclasses import asdict
from typing import Annotated, Any

from zenml import step

from medweave.config import Settings
from medweave.monitoring import Batch, shared_store
from medweave.monitoring import decide_retraining as decide


@step(enable_cache=False)
def decide_retraining(batch: dict[str, Any], settings: Settings) -> Annotated[dict[str, Any], "retraining"]:
    """Whether to start, why or why not, and the cause; a start is noted down, so that no other batch makes it."""
    with shared_store(settings) as store:
        return asdict(decide(store, Batch(**batch), settings.monitoring))
