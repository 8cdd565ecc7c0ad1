"""Send the records of runs that MLflow did not get, and let ZenML know what they became there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from medweave.errors import InputError
from medweave.tracking import Sent, connect, destination, kept, open_lineage, send
from pipelines.store import find_run

if TYPE_CHECKING:
    from mlflow import MlflowClient


def sync() -> Iterator[tuple[str, Sent]]:
    """Send every kept record to the MLflow that its run was to use, oldest first; yields the run's id and the result.

    Raises InputError or RunError when MLflow is still out of reach; what was not sent stays.
    """
    for folder in kept():
        client = connect(destination(folder))
        sent = send(client, folder)
        _tell_zenml(client, folder.name, sent)
        yield folder.name, sent


def _tell_zenml(client: MlflowClient, run_id: str, sent: Sent) -> None:
    from steps.model_control_plane import name_each_other

    try:
        version = find_run(f"run:{run_id}").model_version
    except InputError:  # the run is of another ZenML store
        return
    if version is not None:
        name_each_other(client, sent, version, open_lineage(client, sent.run_id).facts["labels"])
