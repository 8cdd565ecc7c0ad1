"""Let the champion look at a batch, and measure images, labels and what the model said."""

from dataclasses import replace
from typing import Annotated, Any

from zenml import get_step_context, step

from medweave.config import Settings
from medweave.data import ImageTable, MaskRef
from medweave.data.images import list_images
from medweave.errors import InputError
from medweave.monitoring import Observers, measure, measured_training, monitoring_folder
from medweave.monitoring.reference import training_rows
from medweave.progress import say
from medweave.segmentation import Segmenter
from medweave.shared import shared
from medweave.tracking import champion, connect, find_version, resolve_model
from medweave.work import work_folder


@step(enable_cache=False)
def measure_images(
    batch: ImageTable, gold: ImageTable, unlabeled: ImageTable, labels: str | None, settings: Settings
) -> tuple[
    Annotated[ImageTable, "measured"], Annotated[ImageTable, "measured_training"], Annotated[dict[str, Any], "observed"]
]:
    """The batch and the training images with their features; `observed` names the champion and whose labels they are.

    `labels` is a folder of masks named like the images, which are looked at in place of the champion's.
    """
    client = connect(settings.tracking)
    current = champion(client, settings.model_name)
    models = {
        role: Segmenter.load(resolve_model(client, uri), settings.compute)
        for role, uri in (("champion", current and current.model_uri), ("challenger", _challenger(client, settings)))
        if uri and current
    }
    given = _given(labels, batch) if labels else None
    observers = Observers(champion=models.get("champion"), challenger=models.get("challenger"), labels=given)
    rows = training_rows([gold, unlabeled], settings.seed)
    kept = monitoring_folder(settings) / settings.task / "training"
    with shared(kept):
        training, neighbours = measured_training(rows, observers, settings.data, given is not None, kept)
    with work_folder("measure_images", str(get_step_context().step_run.id)) as work:
        measured = measure(batch, replace(observers, neighbours=neighbours), settings.data, work)
    whose = "given" if given is not None else "champion" if current else "none"
    return measured, training, {"champion": current.model_uri if current else None, "labels": whose}


def _given(folder: str, batch: ImageTable) -> dict[str, MaskRef]:
    """The masks of the batch's images. Raises InputError where there are none, and says how many are missing."""
    masks = dict(list_images(folder))
    names = [row.image_id for shard in batch.shards([]) for row in shard]
    found = {name: MaskRef(uri=masks[name]) for name in names if name in masks}
    if names and not found:
        raise InputError(f"{folder}: no mask is named like an image of the batch; give masks of these images")
    if missing := len(names) - len(found):
        say(f"warning: {missing} of {len(names)} images have no mask in {folder}; their labels are not watched")
    return found


def _challenger(client: Any, settings: Settings) -> str | None:
    try:
        return find_version(client, f"models:/{settings.model_name}@challenger").model_uri
    except InputError:
        return None
