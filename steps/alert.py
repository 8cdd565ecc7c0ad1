"""Tell people of a batch that is not like the ones before."""

from typing import Any

from zenml import step
from zenml.client import Client

from medweave.config import Settings
from medweave.monitoring import Batch, alert_text
from medweave.notifying import notify
from medweave.progress import say


@step(enable_cache=False)
def alert(batch: dict[str, Any], settings: Settings) -> None:
    """Nothing for `ok`; else one line, for `drift` also by webhook and by the active ZenML stack's alerter."""
    judged = Batch(**batch)
    if judged.level == "ok":
        return
    text = alert_text(judged, settings.task)
    say(f"warning: {text}")
    if judged.level == "drift":
        notify(settings.task, "drift", text.removeprefix(f"{settings.task}: "))
        if (alerter := Client().active_stack.alerter) is not None:
            alerter.post(text)
