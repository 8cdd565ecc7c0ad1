"""Decide whether the new version replaces the champion."""

from typing import Annotated, Any

from mlflow.exceptions import MlflowException
from zenml import step

from medweave import promotion
from medweave.config import Settings
from medweave.data import ImageTable
from medweave.errors import InputError, RunError, first_line
from medweave.tracking import connect, get_version, tracking_uri
from medweave.uris import without_credentials


@step(enable_cache=False)
def promote(version: dict[str, Any], test: ImageTable, settings: Settings) -> Annotated[dict[str, Any], "promotion"]:
    """Compare with gold-only training and with the champion on the same test images, and set the aliases.

    When MLflow is out of reach, or the champion's files are, nothing is decided.
    """
    if version["version"] is None:
        where = without_credentials(tracking_uri(settings.tracking))
        reason = f"Not judged: MLflow at {where} is out of reach; send the run's record with 'medweave runs sync'."
        return {"promoted": False, "reason": reason, "numbers": {}, "judged": False}
    name, number = version["name"], version["version"]
    try:
        client = connect(settings.tracking)
        judged = promotion.judge(client, get_version(client, name, number), test, settings)
        made = promotion.promote(client, judged)
    except (InputError, RunError, MlflowException) as error:
        said = first_line(error)
        reason = f"Not judged: {said}; mend it and run 'medweave promote models:/{name}/{number}'."
        return {"promoted": False, "reason": reason, "numbers": {}, "judged": False}
    return {"promoted": made.promoted, "reason": made.reason, "numbers": dict(made.numbers), "judged": True}
