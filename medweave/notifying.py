"""Tell someone by webhook; Slack's incoming webhooks understand it."""

from __future__ import annotations

import os
from typing import Literal

from medweave.progress import say

VARIABLE = "MEDWEAVE_WEBHOOK"
TIMEOUT_S = 20


def notify(task: str, status: Literal["success", "failure", "unchanged", "drift"], text: str) -> bool:
    """Post `{"text", "task", "status"}` to `$MEDWEAVE_WEBHOOK`, if it is set; whether it arrived.

    That it did not is said, and is no failure of what it tells of.
    """
    import requests

    url = os.environ.get(VARIABLE)
    if not url:
        return False
    try:
        message = {"text": f"medweave {task}: {text}", "task": task, "status": status}
        requests.post(url, json=message, timeout=TIMEOUT_S).raise_for_status()
    except requests.RequestException as error:
        say(f"warning: {VARIABLE} was not told ({type(error).__name__}): is the URL right and reachable?")
        return False
    return True
