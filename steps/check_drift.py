"""Warn of made labels that are unlike gold, or stop the run before anything is trained on them."""

from typing import Any

from zenml import step

from medweave.config import Settings
from medweave.data.table import LabelSource
from medweave.progress import say
from medweave.quality import act_on_drift


@step(enable_cache=False)
def check_drift(drift: dict[str, Any], settings: Settings, source: LabelSource = "weak") -> None:
    """Say what drifted in a source's labels; raises RunError for accepted ones with `quality.on_drift=stop`."""
    for line in act_on_drift(drift, settings.quality.on_drift, source):
        say(f"warning: {line}; see labels.html")
