"""The place of synthetic images in a run without them."""

from typing import Annotated

from zenml import step

from medweave.data import ImageTable, write_table
from medweave.work import work_folder
from steps.caching import DATA


@step(cache_policy=DATA)
def no_synthetic() -> Annotated[ImageTable, "synthetic"]:
    """An empty table."""
    with work_folder("no_synthetic") as work:
        return write_table(work, [])
