"""The images that batches are held against: those of the newest training run, or of the configuration."""

from typing import Annotated

from zenml import get_step_context, step
from zenml.enums import ExecutionStatus

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.data.corrections import store_of
from medweave.data.ingest import ingest
from medweave.home import home
from medweave.work import work_folder
from steps.runs import newest_run


@step(enable_cache=False)
def training_images(
    settings: Settings, task: str
) -> tuple[Annotated[ImageTable, "gold"], Annotated[ImageTable, "unlabeled"]]:
    """Gold and unlabeled images."""
    if (run := newest_run(task, "training", ExecutionStatus.COMPLETED)) is not None:
        found = run.steps["ingest"].outputs
        return found["gold"][0].load(), found["unlabeled"][0].load()
    corrections = store_of(settings.data, task)
    with work_folder("training_images", str(get_step_context().step_run.id)) as work:
        tables = ingest(
            settings.data, settings.seed, work, settings.compute.shard_rows, home() / "phantoms", corrections
        ).tables
    return tables["gold"], tables["unlabeled"]
