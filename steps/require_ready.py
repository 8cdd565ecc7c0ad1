"""Stop the run before anything is trained when the data is not fit or a part is missing."""

import json
from typing import Annotated, Any

from zenml import step

from medweave.config import Settings
from medweave.data.validation import ValidationReport
from medweave.labeling.recipe import configured_recipe
from medweave.segmentation.networks import architecture_of, build_network
from medweave.synthesis.networks import architecture_of as architecture_for
from medweave.synthesis.networks import build
from medweave.tracking import connect


@step(enable_cache=False)
def require_ready(validation: dict[str, Any], settings: Settings) -> Annotated[dict[str, Any], "labeler"]:
    """What decides about the labeler's labels (weights, folder of masks), so that labels are made again if it changes.

    Raises InputError that names the files and the rules they break, or the part that cannot be made.
    """
    ValidationReport.from_json(json.dumps(validation)).raise_for_errors()
    if settings.synthesis.enabled:
        build(architecture_for(settings.synthesis, channels=1, classes=len(settings.data.classes)))
    connect(settings.tracking)
    build_network(architecture_of(settings.segmentation, len(settings.data.classes)))
    return configured_recipe(settings)
