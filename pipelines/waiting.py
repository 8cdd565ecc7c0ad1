"""Wait for a run on Kubernetes, and end it with a reason when it cannot go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from medweave.errors import RunError

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api, V1Job, V1Pod

POLL = 3.0


def wait_for(run_id: UUID, patience: float, tick: Callable[[float], None] = time.sleep) -> None:
    """Return when the run has ended, however it did.

    Raises RunError, with the run stopped, when a pod was not started for `patience` seconds: no node takes it, its
    image cannot be pulled, or admission refuses it; and when the run's own Job is gone or failed. A server that does
    not answer is asked again for `patience` seconds.
    """
    from zenml.client import Client

    since: dict[str, float] = {}
    answered = time.monotonic()
    while True:
        try:
            if Client().get_pipeline_run(run_id).status.is_finished:
                return
            stuck = dict(_stuck(run_id))
        except Exception as error:
            if not _is_passing(error):
                raise
            if time.monotonic() - answered >= patience:
                raise RunError(
                    f"no answer for {patience:.0f} s ({error}); the run may go on: see the dashboard"
                ) from None
            tick(POLL)
            continue
        answered = now = time.monotonic()
        since = {reason: since.get(reason, now) for reason in stuck}
        for reason, started in since.items():
            if now - started >= stuck[reason] * patience:
                _stop(run_id)
                raise RunError(f"{reason}; the run is stopped")
        tick(POLL)


def _is_passing(error: Exception) -> bool:
    """Whether a server was out of reach or out of order."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    return isinstance(error, OSError | HTTPError) or (isinstance(error, ApiException) and (error.status or 500) >= 500)


def _stuck(run_id: UUID) -> Iterator[tuple[str, float]]:
    """Why the run does not go on, and the share of the patience that it may last."""
    core, batch, namespace = _cluster()
    jobs = batch.list_namespaced_job(namespace, label_selector=f"run_id={run_id}").items
    for job in jobs:
        name = job.metadata.name
        pods = core.list_namespaced_pod(namespace, label_selector=f"job-name={name}").items
        what = f"step {step}" if (step := (job.metadata.labels or {}).get("step_name")) else "the orchestrator"
        for pod in pods:
            if pod.status.phase == "Pending" and (reason := pending(pod)):
                yield f"{what}: {reason} (pod {pod.metadata.name} in {namespace})", 1.0
        if not pods and not ended(job):
            events = core.list_namespaced_event(namespace, field_selector=f"involvedObject.name={name}").items
            refused = [event.message for event in events if event.reason == "FailedCreate"]
            if refused:
                yield f"{what}: no pod is created for job {name} in {namespace}: {refused[-1]}", 0.1
        if what == "the orchestrator" and ended(job) == "Failed":
            yield f"the orchestrator's job {name} in {namespace} failed; see 'kubectl logs job/{name}'", 0.05


def pending(pod: V1Pod) -> str | None:
    """Why a pod has not started, if its status says so."""
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"no node takes its pod: {condition.message}"
    for status in pod.status.container_statuses or []:
        waiting = status.state.waiting if status.state else None
        if waiting and waiting.reason not in (None, "ContainerCreating", "PodInitializing"):
            return f"its pod does not start: {waiting.reason}: {waiting.message or status.image}"
    return None


def last_words(run_id: UUID) -> str | None:
    """Why a run's step failed that could not say so itself; None where no step's pod failed."""
    core, batch, namespace = _cluster()
    for job in batch.list_namespaced_job(namespace, label_selector=f"run_id={run_id}").items:
        step = (job.metadata.labels or {}).get("step_name")
        pods = core.list_namespaced_pod(namespace, label_selector=f"job-name={job.metadata.name}").items
        if step and pods and ended(job) == "Failed":
            pod = max(pods, key=lambda one: one.metadata.creation_timestamp)
            return f"step {step}: {ending(pod, _log(core, pod), step)} (pod {pod.metadata.name} in {namespace})"
    return None


def _log(core: CoreV1Api, pod: V1Pod) -> str:
    """The last lines that a pod printed; empty where it never started or its node is gone."""
    from kubernetes.client import ApiException

    try:
        return str(core.read_namespaced_pod_log(pod.metadata.name, pod.metadata.namespace, tail_lines=20))
    except ApiException:
        return ""


def ending(pod: V1Pod, log: str, step: str) -> str:
    """How a failed pod of a step ended: killed for its memory, evicted, or what its log ends with."""
    if pod.status.reason:
        return f"its pod was lost: {pod.status.reason}: {pod.status.message}"
    ends = [status.state.terminated for status in pod.status.container_statuses or [] if status.state]
    if any(end and end.reason == "OOMKilled" for end in ends):
        return f"its pod was killed, as it took more memory than it has; raise cluster.steps.{step}.memory"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return f"its pod ended with: {lines[-1]}" if lines else "its pod ended without a word"


def ended(job: V1Job) -> str | None:
    """`Complete` or `Failed`, or None while the Job goes on."""
    ends = [c.type for c in job.status.conditions or [] if c.status == "True" and c.type in ("Complete", "Failed")]
    return ends[0] if ends else None


def _cluster() -> tuple[Any, Any, str]:
    from kubernetes.client import BatchV1Api, CoreV1Api
    from zenml.client import Client

    orchestrator: Any = Client().active_stack.orchestrator
    client = orchestrator.get_kube_client()
    return CoreV1Api(client), BatchV1Api(client), orchestrator.config.kubernetes_namespace


def _stop(run_id: UUID) -> None:
    from zenml.client import Client
    from zenml.enums import ExecutionStatus
    from zenml.models import PipelineRunUpdate

    _, batch, namespace = _cluster()
    for job in batch.list_namespaced_job(namespace, label_selector=f"run_id={run_id}").items:
        batch.delete_namespaced_job(job.metadata.name, namespace, propagation_policy="Foreground")
    Client().zen_store.update_run(run_id, PipelineRunUpdate(status=ExecutionStatus.FAILED))
