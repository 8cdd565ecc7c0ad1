"""What the pods of a scheduled run tell, by webhook and by the stack's alerter."""

from __future__ import annotations

from typing import Literal

LAST_STEP = "report"


def told_failure(exception: BaseException) -> None:
    """Tell of a step that failed."""
    from zenml import get_step_context

    context = get_step_context()
    _tell("failure", f"run {context.pipeline_run.name}, step {context.step_run.name}: {exception}")


def told_success() -> None:
    """After the last step, tell of the model's promotion or why it was refused."""
    from zenml import get_step_context
    from zenml.client import Client

    context = get_step_context()
    if context.step_run.name != LAST_STEP:
        return
    run = Client().get_pipeline_run(context.pipeline_run.id)
    promotion = run.steps["promote"].outputs["promotion"][0].load()
    trained = "" if run.steps["train_final"].status != "cached" else "nothing relevant has changed, not trained again. "
    _tell("success", f"run {run.name}: {trained}{promotion['reason']}")


def _tell(status: Literal["success", "failure"], text: str) -> None:
    from zenml import get_step_context
    from zenml.client import Client

    from medweave.notifying import notify
    from medweave.progress import say

    task = (get_step_context().pipeline_run.config.parameters or {})["settings"]["task"]
    notify(task, status, text)
    alerter = Client().active_stack.alerter
    if alerter is not None and not alerter.post(f"medweave {task}: {text}"):
        say("warning: the stack's alerter was not told")
