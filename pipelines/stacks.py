"""ZenML's Kubernetes stack: made, or brought up to date, from its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medweave.errors import InputError
from medweave.shared import SHARED
from medweave.stack import StackValues, credentials
from pipelines.store import configure

if TYPE_CHECKING:
    from zenml.models import StackResponse

IMAGE = "image"
"""The stack's label that names the image of its pods."""
RESTRICTED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
USER = 10001
"""The image's user, and the group that owns what its pods mount."""


def apply_stack(name: str, values: StackValues) -> bool:
    """Make the stack `name`, or change what differs, and make it the active one; True when anything changed.

    Raises InputError when the variables with the credentials are not set.
    """
    secrets = credentials()
    configure()
    from zenml.client import Client
    from zenml.enums import StackComponentType as Kind

    client = Client()
    changed = [_secret(f"{name}-{part}", of) for part, of in secrets.items()]
    parts = [
        (Kind.ORCHESTRATOR, "kubernetes", orchestrator(values)),
        (Kind.ARTIFACT_STORE, "s3", _artifact_store(name, values)),
        (Kind.CONTAINER_REGISTRY, "default", {"uri": values.registry}),
        (Kind.IMAGE_BUILDER, "local", {}),
        (Kind.EXPERIMENT_TRACKER, "mlflow", _tracker(name, values)),
    ]
    changed += [_component(name, kind, flavor, wanted) for kind, flavor, wanted in parts]
    labels = {IMAGE: values.image}
    found = _stack(name)
    if found is None:
        client.create_stack(name, {kind: name for kind, *_ in parts}, labels=labels)
    elif found.labels != labels:
        client.update_stack(name, labels=labels)
    client.activate_stack(name)
    return any(changed) or found is None or found.labels != labels


def activate(name: str) -> None:
    """Make a stack the active one. Raises InputError when there is none of this name."""
    configure()
    from zenml.client import Client

    try:
        Client().activate_stack(name)
    except KeyError:
        raise InputError(f"{name}: no such stack; make it with 'medweave stack apply {name} --values FILE'") from None


def orchestrator(values: StackValues) -> dict[str, Any]:
    """The orchestrator's configuration: where it is, and what every pod of it is like."""
    environment = {
        "ZENML_CONFIG_PATH": "/tmp/zenml",  # noqa: S108
        "MEDWEAVE_HOME": "/tmp/medweave",  # noqa: S108
        SHARED: f"{values.artifacts.rstrip('/')}/medweave",
        "MLFLOW_TRACKING_URI": values.mlflow,
    }
    if values.endpoint is not None:
        environment["AWS_ENDPOINT_URL"] = values.endpoint
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    if values.ca is not None:
        volumes.append({"name": "ca", "configMap": {"name": values.ca}})
        mounts.append({"name": "ca", "mountPath": "/ca", "readOnly": True})
        trusting = ("ZENML_STORE_VERIFY_SSL", "MLFLOW_TRACKING_SERVER_CERT_PATH", "AWS_CA_BUNDLE")
        environment.update(dict.fromkeys(trusting, "/ca/ca.crt"))
        # MLflow would read large files from the store itself, where it trusts public authorities alone.
        environment["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] = "false"
    pod = {
        "container_security_context": dict(RESTRICTED),
        "additional_pod_spec_args": {"security_context": {"fsGroup": USER, "runAsUser": USER, "runAsGroup": USER}},
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "env_from": [{"secretRef": {"name": values.environment, "optional": True}}],
        "volumes": volumes,
        "volume_mounts": mounts,
        "image_pull_secrets": list(values.pull_secrets),
    }
    return {
        "incluster": True,
        "kubernetes_context": values.context,
        "kubernetes_namespace": values.namespace,
        "service_account_name": values.service_account,
        "step_pod_service_account_name": values.step_service_account,
        "pass_zenml_token_as_secret": True,
        "pod_settings": {**pod, "labels": {"app.kubernetes.io/component": "step"}},
    }


def _artifact_store(name: str, values: StackValues) -> dict[str, Any]:
    endpoint = {} if values.endpoint is None else {"client_kwargs": {"endpoint_url": values.endpoint}}
    return {"path": values.artifacts, "authentication_secret": f"{name}-artifacts", **endpoint}


def _tracker(name: str, values: StackValues) -> dict[str, Any]:
    login = {key: f"{{{{{name}-mlflow.{key}}}}}" for key in ("username", "password")}
    return {"tracking_uri": values.mlflow, **{f"tracking_{key}": value for key, value in login.items()}}


def _secret(name: str, values: Mapping[str, str]) -> bool:
    from zenml.client import Client

    client = Client()
    try:
        found = client.get_secret(name, allow_partial_name_match=False)
    except KeyError:
        client.create_secret(name, dict(values))
        return True
    if found.secret_values == values:
        return False
    client.update_secret(name, add_or_update_values=dict(values))
    return True


def _component(name: str, kind: Any, flavor: str, wanted: Mapping[str, Any]) -> bool:
    from zenml.client import Client

    client = Client()
    try:
        found = client.get_stack_component(kind, name, allow_name_prefix_match=False)
    except KeyError:
        client.create_stack_component(name, flavor, kind, dict(wanted))
        return True
    if found.configuration == wanted:
        return False
    gone = dict.fromkeys(found.configuration.keys() - wanted.keys())
    client.update_stack_component(name, kind, configuration={**wanted, **gone})
    return True


def _stack(name: str) -> StackResponse | None:
    from zenml.client import Client

    try:
        return Client().get_stack(name, allow_name_prefix_match=False)
    except KeyError:
        return None
