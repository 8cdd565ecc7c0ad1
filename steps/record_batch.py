"""Record a judged batch in MLflow."""

from typing import Any

from mlflow.exceptions import MlflowException
from zenml import get_step_context, step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.errors import InputError, RunError, first_line
from medweave.monitoring import Batch, batch_record, shared_store
from medweave.progress import say
from medweave.tracking import connect, log_run


@step(enable_cache=False)
def record_batch(batch: dict[str, Any], measured: ImageTable, settings: Settings) -> None:
    """One run in the experiment `medweave-<task>-monitoring`; none for a batch without images.

    When MLflow is out of reach this is only warned of.
    """
    kept = Batch(**batch)
    if not kept.images:
        return
    with shared_store(settings) as store:
        record = batch_record(kept, store, measured, settings.task, str(get_step_context().pipeline_run.id))
        try:
            log_run(connect(settings.tracking), record)
        except (InputError, RunError, MlflowException) as error:
            say(f"warning: the batch did not get to MLflow: {first_line(error)}")
