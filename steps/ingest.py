"""Find and read the task's images and masks."""

from typing import Annotated

from zenml import get_step_context, step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.data.corrections import store_of
from medweave.data.ingest import ingest as read_data
from medweave.data.inventory import Inventory
from medweave.home import home
from medweave.work import work_folder


@step(enable_cache=False)
def ingest(
    settings: Settings, task: str
) -> tuple[
    Annotated[ImageTable, "gold"],
    Annotated[ImageTable, "unlabeled"],
    Annotated[ImageTable, "test"],
    Annotated[Inventory, "inventory"],
]:
    """One table a split, of what can be used, and the inventory of all that was found.

    It always runs: what lies in the folders, and what experts have corrected in labels of this task, may have changed.
    Steps after it are reused when nothing has.
    """
    corrections = store_of(settings.data, task)
    with work_folder("ingest", str(get_step_context().step_run.id)) as work:
        found = read_data(
            settings.data, settings.seed, work, settings.compute.shard_rows, home() / "phantoms", corrections
        )
    return found.tables["gold"], found.tables["unlabeled"], found.tables["test"], found.inventory
