"""What a pipeline's pods are like on Kubernetes: the stack's pods, and the settings' resources for each step."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from medweave.config import Cluster, Pod, Settings
from medweave.data.corrections import store_of
from medweave.errors import InputError
from pipelines.stacks import IMAGE

if TYPE_CHECKING:
    from zenml import Pipeline

SMALL = Pod(cpu="100m", memory="512Mi")
"""The orchestrator's pod: it starts others and waits."""
EVICTED_FIRST = {
    "rules": [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "Count", "onExitCodes": {"containerName": "main", "operator": "NotIn", "values": [0]}},
    ]
}
"""A pod that its node lost is started again and does not count as a retry."""
STARTS_JOBS = "start_retraining"
"""The step whose pod may start Jobs, as the orchestrator's may."""


def is_kubernetes() -> bool:
    """Whether the active stack runs steps in pods."""
    from zenml.client import Client

    return bool(Client().active_stack.orchestrator.flavor == "kubernetes")


def require_seen_corrections(settings: Settings) -> None:
    """Raise InputError where pods would not see what `medweave labels import` keeps."""
    if is_kubernetes() and "://" not in store_of(settings.data, settings.task).location:
        raise InputError(
            "data.corrections: the run kept none in object storage, and pods do not see a folder of this machine; set "
            "it to a URI such as s3://bucket/corrections and run again"
        )


def of_pipeline(settings: Settings, pipeline: Pipeline, *arguments: Any) -> dict[str, Any]:
    """Options of a pipeline that is called with these arguments, for the active stack; none if that has no pods.

    Raises InputError when the cluster cannot be used as the settings say.
    """
    if not is_kubernetes():
        return {}
    from pipelines.monitoring import monitoring
    from pipelines.stack_checks import require_cluster
    from pipelines.training import training

    require_cluster()
    known = {*steps_of(training, settings), *steps_of(monitoring, settings, "", None, None, True)}
    return options(settings.cluster, steps_of(pipeline, *arguments), known)


def steps_of(pipeline: Pipeline, *arguments: Any) -> list[str]:
    """Names of the steps that a pipeline has with these arguments."""
    laid_out = pipeline.copy()
    laid_out.prepare(*arguments)
    return list(laid_out.invocations)


def options(cluster: Cluster, invocations: Iterable[str], known: Iterable[str] = ()) -> dict[str, Any]:
    """Options of a pipeline with these steps, for the active Kubernetes stack.

    The settings may also name steps of other pipelines, as far as they are `known`.

    Raises InputError for a step in the settings that no pipeline has, and for a stack that names no image.
    """
    from zenml.client import Client
    from zenml.config import DockerSettings

    stack = Client().active_stack_model
    image = (stack.labels or {}).get(IMAGE)
    if not image:
        raise InputError(
            f"stack {stack.name}: names no image; make it with 'medweave stack apply {stack.name} --values …'"
        )
    steps = {invocation: _base_name(invocation) for invocation in invocations}
    there = {*steps, *known}
    if unknown := sorted(set(cluster.steps) - there - {_base_name(name) for name in there}):
        raise InputError(f"cluster.steps: no step is named {', '.join(unknown)}; there are {', '.join(sorted(there))}")
    return {
        "settings": {
            "docker": DockerSettings(
                parent_image=image,
                skip_build=True,
                allow_download_from_artifact_store=False,
                allow_download_from_code_repository=False,
                allow_including_files_in_images=True,
            ),
            "orchestrator": {
                "synchronous": False,
                "max_parallelism": cluster.parallel,
                "orchestrator_pod_settings": _pod_settings(SMALL, cluster, "orchestrator"),
                "concurrency_policy": "Forbid",
                "starting_deadline_seconds": 3600,
                "successful_jobs_history_limit": 3,
                "failed_jobs_history_limit": 3,
            },
        },
        "steps": {
            invocation: _step(cluster.steps.get(invocation, cluster.steps.get(name, cluster.pod)), cluster, name)
            for invocation, name in steps.items()
        },
    }


def _base_name(invocation: str) -> str:
    """The step's name without the part and the round of labelling that it belongs to."""
    return re.sub(r"(_part_\d+)?(_round_\d+)?$", "", invocation)


def _step(pod: Pod, cluster: Cluster, name: str) -> dict[str, Any]:
    starts_jobs = name == STARTS_JOBS
    settings: dict[str, Any] = {
        "pod_settings": _pod_settings(pod, cluster, "orchestrator" if starts_jobs else "step"),
        "pod_failure_policy": EVICTED_FIRST,
    }
    if starts_jobs:
        settings["step_pod_service_account_name"] = _orchestrator().config.service_account_name
    if pod.timeout is not None:
        settings["active_deadline_seconds"] = pod.timeout
    return {"settings": {"orchestrator": settings}, **({"retry": {"max_retries": pod.retries}} if pod.retries else {})}


def _orchestrator() -> Any:
    from zenml.client import Client

    return Client().active_stack.orchestrator


def _pod_settings(pod: Pod, cluster: Cluster, component: str) -> dict[str, Any]:
    """The stack's pod with the resources that are asked for."""
    settings: dict[str, Any] = copy.deepcopy(_orchestrator().config.pod_settings.model_dump())
    settings["labels"] = {"app.kubernetes.io/component": component}
    limits = {"memory": pod.memory}
    if pod.gpus:
        limits[cluster.gpu] = str(pod.gpus)
        settings["node_selectors"] = dict(cluster.gpu_nodes)
        settings["tolerations"] = [{"key": cluster.gpu, "operator": "Exists", "effect": "NoSchedule"}]
    settings["resources"] = {"requests": {"cpu": pod.cpu, "memory": pod.memory}, "limits": limits}
    settings["volumes"].append({"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": pod.shared_memory}})
    settings["volume_mounts"].append({"name": "dshm", "mountPath": "/dev/shm"})  # noqa: S108
    if pod.priority is not None:
        settings["additional_pod_spec_args"]["priority_class_name"] = pod.priority
    return settings
