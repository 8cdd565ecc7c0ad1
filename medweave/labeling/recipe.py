"""What decides about the labels that a task's settings ask for, before any is made."""

from typing import Any

from medweave.config import Settings
from medweave.labeling.chain import recipe_of
from medweave.labeling.labelers import configured_labeler
from medweave.labeling.second_opinion import second_labeler


def configured_recipe(settings: Settings) -> dict[str, Any]:
    """The recipes of the labeler and of the second opinion: their weights or their folder of masks.

    Raises InputError for a part that is missing.
    """
    recipe, second = recipe_of(configured_labeler(settings)), second_labeler(settings)
    return recipe if second is None else {**recipe, "second_opinion": recipe_of(second)}
