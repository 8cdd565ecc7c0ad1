"""Find out whether synthetic images help, and leave them out when they do not."""

from typing import Annotated, Any

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable, write_table
from medweave.progress import say
from medweave.segmentation import choose_synthetic as choose
from medweave.work import work_folder
from steps.caching import SEGMENTATION


@step(cache_policy=SEGMENTATION)
def choose_synthetic(
    gold: ImageTable, weak: ImageTable, synthetic: ImageTable, settings: Settings
) -> tuple[Annotated[ImageTable, "trained_synthetic"], Annotated[dict[str, Any], "synthetic_choice"]]:
    """The synthetic images to train on, none unless gold is surely better with them; the figures."""
    inputs = [table.digest for table in (gold, weak, synthetic)]
    with work_folder("choose_synthetic", *inputs, settings.model_dump(mode="json")) as work:
        rows, choice = choose([gold, weak], list(synthetic), settings, work)
        if choice.dice_with is not None:
            say(
                f"  {choice.images} synthetic images: Dice {choice.dice_with:.3f} on held-out gold, "
                f"{choice.dice_without:.3f} without them (standard error of the difference "
                f"{choice.standard_error:.3f}); {'kept' if choice.kept else 'left out'}"
            )
        return write_table(work / "chosen", rows), choice.to_json()
