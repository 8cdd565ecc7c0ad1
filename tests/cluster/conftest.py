"""A ZenML store and a stack on a cluster of this machine's processes."""

import os

import pytest

pytest.importorskip("kubernetes", reason="the Kubernetes client is not installed: run 'make setup'")

from medweave.stack import StackValues
from tests.cluster.api_server import Cluster

IMAGE = "registry.local/medweave:1"
VALUES = StackValues(context="test", image=IMAGE, artifacts="s3://zenml", mlflow="https://mlflow:8443")


OURS = ("ZENML_", "MLFLOW_TRACKING_", "MEDWEAVE_", "AWS_", "KUBECONFIG")


@pytest.fixture(scope="package", autouse=True)
def session_home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(OURS)}
    os.environ.update(MEDWEAVE_HOME=str(folder), AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="hidden")
    os.environ.update(
        MLFLOW_TRACKING_USERNAME="admin", MLFLOW_TRACKING_PASSWORD="hidden", KUBECONFIG=f"{folder}/kubeconfig"
    )
    yield folder
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def cluster(tmp_path, session_home, monkeypatch):
    running = Cluster(tmp_path)
    path = running.kubeconfig(session_home / "kubeconfig")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    for name in ("orchestrator", "step"):
        running.add("serviceaccounts", {"metadata": {"name": name}})
    yield running
    running.close()


@pytest.fixture
def stack(cluster, session_home):
    """The stack of VALUES, but with ZenML's store and artifacts on this machine's disk, which its pods share."""
    from zenml.client import Client
    from zenml.enums import StackComponentType as Kind

    from pipelines.stacks import apply_stack

    apply_stack("kubernetes", VALUES)
    here = {
        "local": True,
        "pass_zenml_token_as_secret": False,
        "job_monitoring_interval": 1.0,
        "interrupt_check_interval": 2.0,
    }
    client = Client()
    client.update_stack_component("kubernetes", Kind.ORCHESTRATOR, configuration=here)
    client.update_stack("kubernetes", component_updates={Kind.ARTIFACT_STORE: ["default"]})
    client.activate_stack("kubernetes")
    yield "kubernetes"
    client.activate_stack("default")
    client.update_stack_component("kubernetes", Kind.ORCHESTRATOR, configuration=dict.fromkeys(here))
    client.update_stack("kubernetes", component_updates={Kind.ARTIFACT_STORE: ["kubernetes"]})
