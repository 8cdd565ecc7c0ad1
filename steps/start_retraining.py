"""Start the training schedule of a task out of its time, where nobody waits who would run it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from zenml import step
from zenml.client import Client

from medweave.errors import RunError
from medweave.progress import say
from steps.runs import scheduled_name

if TYPE_CHECKING:
    from zenml.models import ScheduleResponse


@step(enable_cache=False)
def start_retraining(retraining: dict[str, Any], task: str) -> None:
    """A Job of the training schedule's CronJob, as at its time, if a drift asks for it.

    The Job is named after the cause, so that the cluster takes it once however many batches ask for it.
    """
    if not retraining["start"]:
        return
    schedule = training_schedule(task)
    if schedule is None:
        raise RunError(f"{task}: a drift asks for retraining, and there is no active schedule that trains; make one")
    say(f"retraining: {retraining['reason']}; {_start(str(schedule.run_metadata['cron_job_name']), retraining)}")


def training_schedule(task: str) -> ScheduleResponse | None:
    """The active schedule whose runs train the task's model, the newest of several."""
    client = Client()
    for schedule in client.list_schedules(size=1000, sort_by="desc:created", hydrate=True).items:
        snapshots = client.list_snapshots(schedule_id=schedule.id, named_only=False, hydrate=True).items
        if schedule.active and any(one.run_name_template == scheduled_name(task, "training") for one in snapshots):
            return schedule
    return None


def _start(cron_job: str, retraining: dict[str, Any]) -> str:
    """Make the Job; returns what came of it."""
    from kubernetes.client import ApiException, BatchV1Api, V1Job, V1ObjectMeta, V1OwnerReference

    orchestrator: Any = Client().active_stack.orchestrator
    namespace, batch = orchestrator.config.kubernetes_namespace, BatchV1Api(orchestrator.get_kube_client())
    found = batch.read_namespaced_cron_job(cron_job, namespace)
    if found.status is not None and found.status.active:
        return "the schedule's run is under way, no other is started"
    name = f"{cron_job[:44]}-{hashlib.sha256(retraining['cause'].encode()).hexdigest()[:12]}"
    template = found.spec.job_template
    owner = V1OwnerReference("batch/v1", None, True, "CronJob", found.metadata.name, found.metadata.uid)
    about = V1ObjectMeta(
        name=name,
        labels=template.metadata.labels if template.metadata else None,
        annotations={"cronjob.kubernetes.io/instantiate": "manual"},
        owner_references=[owner],
    )
    try:
        batch.create_namespaced_job(namespace, V1Job(metadata=about, spec=template.spec))
    except ApiException as error:
        if error.status != 409:
            raise
        return f"job {name} was started before for this cause"
    return f"job {name} is started"
