"""Schedules on the active Kubernetes stack: a CronJob each, through ZenML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medweave.config import Settings
from medweave.errors import InputError
from pipelines import cluster
from pipelines.store import configure

if TYPE_CHECKING:
    from zenml import Pipeline
    from zenml.models import ScheduleResponse


REPLACED = "-replaced"
"""Ends the name of a schedule until the one that takes its place is made."""


def on_cluster() -> bool:
    """Whether schedules are the active stack's, and not this machine's."""
    configure()
    return cluster.is_kubernetes()


def create(name: str, cron: str, settings: Settings) -> bool:
    """Schedule the training pipeline, in place of a schedule of this name; True when there was one.

    The CronJob keeps the image and the settings of now, so that a change of either needs a new one. The schedule that
    is there goes when the new one is made, and stays as it is when that fails.
    """
    from zenml import Model

    from pipelines.hooks import told_success
    from pipelines.training import training
    from steps.runs import scheduled_name

    options = {"model": Model(name=settings.model_name), "on_success": told_success}
    return _create(name, cron, scheduled_name(settings.task, "training"), options, settings, training, settings)


def create_monitoring(name: str, cron: str, settings: Settings, images: str, labels: str | None) -> bool:
    """Schedule the monitoring of images that are in no batch yet, as `create` does the training.

    Raises InputError for a folder that pods do not see, and when a drift is to retrain and no schedule trains the task.
    """
    from medweave.monitoring import LAST
    from pipelines.launch_monitoring import require_uris
    from pipelines.monitoring import monitoring
    from steps.runs import scheduled_name
    from steps.start_retraining import training_schedule

    require_uris(images, labels)
    if settings.monitoring.retrain and training_schedule(settings.task) is None:
        raise InputError(
            f"{settings.task}: with monitoring.retrain a drift starts the schedule that trains, and there is none that "
            "is active; make it first, without --images"
        )
    arguments = settings, images, LAST, labels, True
    return _create(name, cron, scheduled_name(settings.task, "monitoring"), {}, settings, monitoring, *arguments)


def _create(
    name: str,
    cron: str,
    run_name: str,
    options: Mapping[str, Any],
    settings: Settings,
    pipeline: Pipeline,
    *arguments: Any,
) -> bool:
    from zenml.config.schedule import Schedule

    from pipelines.hooks import told_failure

    options = {**options, **cluster.of_pipeline(settings, pipeline, *arguments)}
    before = name + REPLACED
    if _found(name):
        if _found(before):
            delete(before)
        _rename(name, before)
    schedule = Schedule(name=name, cron_expression=cron)
    try:
        pipeline.with_options(run_name=run_name, schedule=schedule, on_failure=told_failure, **options)(*arguments)
    except BaseException:
        if _found(name):
            delete(name)
        if _found(before):
            _rename(before, name)
        raise
    there = bool(_found(before))
    if there:
        delete(before)
    return there


def listed() -> list[tuple[str, str, bool]]:
    """Name, cron expression and whether it is active, of each schedule."""
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


def _rename(name: str, to: str) -> None:
    """Change what ZenML calls a schedule; its CronJob goes on."""
    from zenml.client import Client
    from zenml.models import ScheduleUpdate

    Client().zen_store.update_schedule(_one(name).id, ScheduleUpdate(name=to))


def _found(name: str) -> list[ScheduleResponse]:
    from zenml.client import Client

    found: list[ScheduleResponse] = Client().list_schedules(name=name, hydrate=True).items
    return found


def _one(name: str) -> ScheduleResponse:
    if found := _found(name):
        return found[0]
    names = ", ".join(schedule for schedule, *_ in listed()) or "none"
    raise InputError(f"{name}: no such schedule on this stack; there are: {names}")
