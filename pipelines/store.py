"""ZenML as medweave uses it: where its store is, silent, without analytics, and its runs by reference."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medweave.errors import InputError
from medweave.home import home, opening

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

QUIET = {
    "ZENML_ANALYTICS_OPT_IN": "false",
    "ZENML_LOGGING_VERBOSITY": "CRITICAL",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "ZENML_ENABLE_REPO_INIT_WARNINGS": "false",
    "ZENML_DISABLE_INTERACTIVE_INPUT": "true",
    "ZENML_AUTO_OPEN_DASHBOARD": "false",
    "AUTO_OPEN_DASHBOARD": "false",
}


def configure(debug: bool = False) -> None:
    """Set ZenML up before it is imported, and open its store: the embedded one in home, unless the user named one."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if debug:
        os.environ["ZENML_LOGGING_VERBOSITY"] = "INFO"
    if not any(name == "ZENML_CONFIG_PATH" or name.startswith("ZENML_STORE_") for name in os.environ):
        os.environ["ZENML_CONFIG_PATH"] = str(home() / "zenml")
        os.environ.setdefault("ZENML_LOCAL_STORES_PATH", str(home() / "zenml" / "stores"))
    os.environ.setdefault("ZENML_CUSTOM_SOURCE_ROOT", str(Path(__file__).resolve().parents[1]))
    if not sys.stderr.isatty():
        os.environ.setdefault("ZENML_LOGGING_COLORS_DISABLED", "true")
    with opening("zenml"):
        from zenml.client import Client

        Client().zen_store.get_store_info()


def find_run(reference: str) -> PipelineRunResponse:
    """The completed training run that `run:latest` or `run:<id>` names. Raises InputError when there is none."""
    configure()
    from zenml.client import Client
    from zenml.enums import ExecutionStatus

    kind, _, which = reference.partition(":")
    if kind != "run" or not which:
        raise InputError(f"{reference}: not a run; write run:latest or run:ID")
    client = Client()
    if which == "latest":
        runs = client.list_pipeline_runs(
            pipeline="training", status=ExecutionStatus.COMPLETED, sort_by="desc:created", size=1
        )
        if not runs.items:
            raise InputError("run:latest: no run has completed yet; start one with 'medweave run --config …'")
        return runs.items[0]
    try:
        return client.get_pipeline_run(which)
    except (KeyError, ValueError):
        raise InputError(f"{reference}: no such run; see summary.json for a run's id, or use run:latest") from None


def completed_runs() -> Iterator[PipelineRunResponse]:
    """Training runs that completed, the newest first."""
    configure()
    from zenml.client import Client
    from zenml.enums import ExecutionStatus

    for page in count(1):
        found = Client().list_pipeline_runs(
            pipeline="training", status=ExecutionStatus.COMPLETED, sort_by="desc:created", page=page, hydrate=True
        )
        yield from found.items
        if page >= found.total_pages:
            return


def artifact(run: PipelineRunResponse, step: str, name: str) -> Any:
    """What a step of a run returned under this name. Raises InputError when the run did not get there."""
    try:
        return run.steps[step].outputs[name][0].load()
    except KeyError:
        raise InputError(f"run:{run.id}: did not get as far as '{step}'; choose a completed run") from None
