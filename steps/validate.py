"""Judge the data with Great Expectations."""

import json
from typing import Annotated, Any

from zenml import step
from zenml.types import HTMLString

from medweave.config import Settings
from medweave.data.inventory import Inventory
from medweave.data.validation import validate as judge
from steps.caching import DATA


@step(cache_policy=DATA)
def validate(
    inventory: Inventory, settings: Settings
) -> tuple[Annotated[dict[str, Any], "validation"], Annotated[HTMLString, "validation_page"]]:
    """Every rule with what broke it; `require_ready` stops the run on errors."""
    report = judge(inventory, settings.data, settings.validation)
    return json.loads(report.to_json()), HTMLString(report.html)
