"""Schedules on the active Kubernetes stack: a CronJob each, through ZenML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medweave.config import Settings
from medweave.errors import InputError
from pipelines import cluster
from pipelines.store import configure

if TYPE_CHECKING:
    from zenml.models import ScheduleResponse


def on_cluster() -> bool:
    """Whether schedules are the active stack's, and not this machine's."""
    configure()
    return cluster.is_kubernetes()


def create(name: str, cron: str, settings: Settings) -> bool:
    """Schedule the training pipeline, in place of a schedule of this name; True when there was one.

    The CronJob keeps the image and the settings of now, so that a change of either needs a new one.
    """
    from zenml import Model
    from zenml.config.schedule import Schedule

    from pipelines.hooks import told_failure, told_success
    from pipelines.training import training

    options = cluster.of_pipeline(settings, training, settings)
    there = bool(_found(name))
    if there:
        delete(name)
    training.with_options(
        run_name=f"{settings.task}-{{date}}-{{time}}",
        model=Model(name=settings.model_name),
        schedule=Schedule(name=name, cron_expression=cron),
        on_failure=told_failure,
        on_success=told_success,
        **options,
    )(settings)
    return there


def listed() -> list[tuple[str, str, bool]]:
    """Name, cron expression and whether it is active, of each schedule of the training pipeline."""
    from zenml.client import Client

    found = Client().list_schedules(size=1000).items
    return [(schedule.name, schedule.cron_expression or "", bool(schedule.active)) for schedule in found]


def update(name: str, cron: str | None = None, active: bool | None = None) -> None:
    """Change when a schedule is due, or pause or resume it. Raises InputError when there is none of this name."""
    from zenml.client import Client

    Client().update_schedule(_one(name).id, cron_expression=cron, active=active)


def delete(name: str) -> None:
    """Remove a schedule, its CronJob and the token that its runs use."""
    from kubernetes.client import ApiException, CoreV1Api
    from zenml.client import Client

    schedule, client = _one(name), Client()
    orchestrator: Any = client.active_stack.orchestrator
    snapshots = client.list_snapshots(schedule_id=schedule.id, named_only=False).items
    client.delete_schedule(schedule.id, soft=False)
    core = CoreV1Api(orchestrator.get_kube_client())
    for snapshot in snapshots:
        try:
            secret = orchestrator.get_token_secret_name(snapshot.id)
            core.delete_namespaced_secret(secret, orchestrator.config.kubernetes_namespace)
        except ApiException as error:
            if error.status != 404:
                raise


def _found(name: str) -> list[ScheduleResponse]:
    from zenml.client import Client

    found: list[ScheduleResponse] = Client().list_schedules(name=name, hydrate=True).items
    return found


def _one(name: str) -> ScheduleResponse:
    if found := _found(name):
        return found[0]
    names = ", ".join(schedule for schedule, *_ in listed()) or "none"
    raise InputError(f"{name}: no such schedule on this stack; there are: {names}")
