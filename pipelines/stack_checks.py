"""What keeps a Kubernetes stack from running a pipeline, looked at from here and from inside a pod."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from medweave.doctor import Check
from medweave.errors import InputError
from pipelines.stacks import IMAGE
from pipelines.store import configure

if TYPE_CHECKING:
    from zenml.models import StackResponse

RIGHTS = (
    ("batch", "jobs", ("create", "get", "list", "delete")),
    ("batch", "cronjobs", ("create", "patch", "delete")),
    ("", "pods", ("list",)),
    ("", "events", ("list",)),
    ("", "pods/log", ("get",)),
    ("", "secrets", ("create", "delete")),
)
"""What whoever submits runs must be allowed: API group, resource, verbs."""
SKEW = 60.0
PROBE = """
import os, ssl, sys, urllib.request
import fsspec
failed = 0
try:
    files, path = fsspec.core.url_to_fs(os.environ["MEDWEAVE_SHARED"])
    files.pipe_file(f"{path}/doctor", b"")
    files.rm(f"{path}/doctor")
except Exception as error:
    failed = 1
    print(f"{os.environ['MEDWEAVE_SHARED']}: {error}")
for url in sys.argv[1:]:
    try:
        trusted = ssl.create_default_context(cafile=os.environ.get("ZENML_STORE_VERIFY_SSL"))
        urllib.request.urlopen(url, timeout=20, context=trusted)
    except Exception as error:
        failed = 1
        print(f"{url}: {error}")
sys.exit(failed)
"""


def examine_stack(name: str, patience: float = 120.0) -> Iterator[Check]:
    """Look at the stack's cluster, its rights, accounts and GPU nodes, and at what a pod there reaches.

    Nothing after a check that is `missing` and that the rest stands on is looked at.
    """
    configure()
    from zenml.client import Client

    try:
        stack = Client().get_stack(name, allow_name_prefix_match=False)
    except KeyError:
        yield Check(
            "stack", "missing", f"{name}: no such stack; make it with 'medweave stack apply {name} --values FILE'"
        )
        return
    orchestrator = _orchestrator(stack)
    if orchestrator.flavor != "kubernetes":
        yield Check("stack", "ok", f"{name} runs on this machine")
        return
    yield Check("stack", "ok", f"{name}, image {(stack.labels or {}).get(IMAGE)}")
    for check in (_cluster, _clock, _namespace, _rights):
        found = _guarded(check, orchestrator)
        yield found
        if found.state == "missing":
            return
    yield _guarded(_accounts, orchestrator)
    yield _guarded(_gpus, orchestrator)
    yield _guarded(lambda of: _from_a_pod(of, stack, patience), orchestrator, "from a pod")


def require_cluster() -> None:
    """Raise InputError when runs cannot be submitted to the active stack's cluster."""
    from zenml.client import Client

    orchestrator = Client().active_stack.orchestrator
    for look in (_cluster, _namespace, _rights):
        found = _guarded(look, orchestrator)
        if found.state == "missing":
            raise InputError(f"{found.name}: {found.what}; 'medweave stack use default' is this machine again")


def _orchestrator(stack: StackResponse) -> Any:
    from zenml.enums import StackComponentType
    from zenml.stack import StackComponent

    return StackComponent.from_model(stack.components[StackComponentType.ORCHESTRATOR][0])


def _guarded(look: Callable[[Any], Check], orchestrator: Any, name: str | None = None) -> Check:
    """The check's result, or what the API server or the way to it said against it."""
    from kubernetes.client import ApiException
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    name = name or look.__name__.strip("_")
    where = f"context {orchestrator.config.kubernetes_context}"
    try:
        return look(orchestrator)
    except ConfigException as error:
        return Check(name, "missing", f"{where}: {error}; see 'kubectl config get-contexts'")
    except ApiException as error:
        hint = (
            "log in again: the token has expired or is wrong" if error.status == 401 else "ask for the right to do so"
        )
        return Check(name, "missing", f"{where}: the API server answers {error.status} {error.reason}; {hint}")
    except HTTPError as error:
        reason = str(getattr(error, "reason", error)).rpartition(": ")[2]
        return Check(name, "missing", f"{where}: the API server does not answer ({reason}); is the cluster up?")


def _cluster(orchestrator: Any) -> Check:
    from kubernetes.client import VersionApi

    version = VersionApi(orchestrator.get_kube_client()).get_code(_request_timeout=15)
    return Check("cluster", "ok", f"context {orchestrator.config.kubernetes_context}, Kubernetes {version.git_version}")


def _clock(orchestrator: Any) -> Check:
    from kubernetes.client import VersionApi

    *_, headers = VersionApi(orchestrator.get_kube_client()).get_code_with_http_info(_request_timeout=15)
    ahead = (parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)).total_seconds()
    if abs(ahead) <= SKEW:
        return Check("clock", "ok", "the cluster's agrees with this machine's")
    told = f"the cluster's is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    return Check("clock", "note", f"{told}; tokens and schedules go by it: set both by NTP")


def _namespace(orchestrator: Any) -> Check:
    from kubernetes.client import ApiException, CoreV1Api

    name = orchestrator.config.kubernetes_namespace
    try:
        CoreV1Api(orchestrator.get_kube_client()).read_namespace(name, _request_timeout=15)
    except ApiException as error:
        if error.status == 404:
            return Check("namespace", "missing", f"{name}: is not there; kubectl apply -k infra/kubernetes/overlays/…")
        if error.status != 403:
            raise
        return Check("namespace", "note", f"{name}: you may not look whether it is there")
    return Check("namespace", "ok", name)


def _rights(orchestrator: Any) -> Check:
    from kubernetes import client

    reviews, namespace = (
        client.AuthorizationV1Api(orchestrator.get_kube_client()),
        orchestrator.config.kubernetes_namespace,
    )
    missing = []
    for group, resource, verbs in RIGHTS:
        kind, _, part = resource.partition("/")
        for verb in verbs:
            asked = client.V1ResourceAttributes(
                namespace=namespace, group=group, resource=kind, subresource=part or None, verb=verb
            )
            spec = client.V1SelfSubjectAccessReviewSpec(resource_attributes=asked)
            review = client.V1SelfSubjectAccessReview(spec=spec)
            if not reviews.create_self_subject_access_review(review, _request_timeout=15).status.allowed:
                missing.append(f"{verb} {resource}")
    if missing:
        told = f"in {namespace} you may not {', '.join(missing)}; have the Role submitter bound to you"
        return Check("rights", "missing", told)
    return Check("rights", "ok", f"enough to submit and schedule runs in {namespace}")


def _accounts(orchestrator: Any) -> Check:
    from kubernetes.client import ApiException, CoreV1Api

    core, config = CoreV1Api(orchestrator.get_kube_client()), orchestrator.config
    names = [config.service_account_name, config.step_pod_service_account_name]
    for name in names:
        try:
            core.read_namespaced_service_account(name, config.kubernetes_namespace, _request_timeout=15)
        except ApiException as error:
            if error.status == 404:
                return Check(
                    "service accounts", "missing", f"{name}: is not there; see infra/kubernetes/base/access.yaml"
                )
            if error.status != 403:
                raise
            return Check("service accounts", "note", "you may not look whether they are there")
    return Check("service accounts", "ok", ", ".join(names))


def _gpus(orchestrator: Any) -> Check:
    from kubernetes.client import ApiException, CoreV1Api

    try:
        nodes = CoreV1Api(orchestrator.get_kube_client()).list_node(_request_timeout=15).items
    except ApiException as error:
        if error.status != 403:
            raise
        return Check("gpu nodes", "note", "you may not list nodes; a step that no node takes ends the run")
    found = {node.metadata.name: int(node.status.allocatable.get("nvidia.com/gpu", 0)) for node in nodes}
    told = ", ".join(f"{name} ({count})" for name, count in found.items() if count)
    if not told:
        return Check("gpu nodes", "note", "none: steps that ask for GPUs will not start; is the device plugin there?")
    return Check("gpu nodes", "ok", told)


def _from_a_pod(orchestrator: Any, stack: StackResponse, patience: float) -> Check:
    """Run a pod like those of steps: admission, image, network and certificates are what they are for steps."""
    from kubernetes.client import BatchV1Api, CoreV1Api
    from zenml.client import Client
    from zenml.enums import StackComponentType
    from zenml.integrations.kubernetes.kube_utils import apply_default_resource_requests
    from zenml.integrations.kubernetes.manifest_utils import (
        build_job_manifest,
        build_pod_manifest,
        pod_template_manifest_from_pod,
    )

    from pipelines.waiting import ended, pending

    config, client = orchestrator.config, orchestrator.get_kube_client()
    tracker = stack.components[StackComponentType.EXPERIMENT_TRACKER][0].configuration["tracking_uri"]
    server = Client().zen_store.url
    pod = build_pod_manifest(
        None,
        (stack.labels or {})[IMAGE],
        ["python", "-c", PROBE],
        [f"{url.rstrip('/')}/health" for url in (server, tracker) if url.startswith("http")],
        privileged=False,
        pod_settings=apply_default_resource_requests(memory="256Mi", cpu="50m", pod_settings=config.pod_settings),
        service_account_name=config.step_pod_service_account_name,
    )
    batch, core, namespace = BatchV1Api(client), CoreV1Api(client), config.kubernetes_namespace
    name = f"medweave-doctor-{time.time_ns():x}"
    batch.create_namespaced_job(
        namespace, build_job_manifest(name, pod_template_manifest_from_pod(pod), backoff_limit=0)
    )
    try:
        until, reason = time.monotonic() + patience, "no pod was created: see 'kubectl describe job'"
        while time.monotonic() < until:
            pods = core.list_namespaced_pod(namespace, label_selector=f"job-name={name}").items
            end = ended(batch.read_namespaced_job(name, namespace))
            if end == "Complete":
                return Check("from a pod", "ok", f"the image starts, and reaches {server} and {tracker}")
            if end == "Failed" and pods:
                said = core.read_namespaced_pod_log(pods[-1].metadata.name, namespace).strip()
                return Check("from a pod", "missing", said or "the probe's pod failed without a word")
            reason = next(filter(None, map(pending, pods)), reason)
            time.sleep(0.5)
        return Check("from a pod", "missing", f"after {patience:.0f} s: {reason}")
    finally:
        batch.delete_namespaced_job(name, namespace, propagation_policy="Background")
