"""Find and read a batch of new images."""

from datetime import datetime
from typing import Annotated

from zenml import get_step_context, step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.monitoring import LAST, shared_store, take_batch
from medweave.progress import say
from medweave.work import work_folder


@step(enable_cache=False)
def take_images(images: str, since: str | None, settings: Settings) -> Annotated[ImageTable, "batch"]:
    """The readable images of a folder; unreadable ones are warned of.

    With an ISO time those changed since then, with `last` those that are in no batch yet; either may be none.
    """
    after, seen = None, None
    if since == LAST:
        with shared_store(settings) as store:
            seen = store.uris()
    elif since is not None:
        after = datetime.fromisoformat(since)
    with work_folder("take_images", str(get_step_context().step_run.id)) as work:
        table, problems = take_batch(images, after, seen, settings.data.max_pixels, work, settings.compute.shard_rows)
    for problem in problems:
        say(f"warning: left out: {problem}")
    return table
