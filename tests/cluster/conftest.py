"""A ZenML store and a stack on a cluster of this machine's processes."""

import os
import socket

import pytest

pytest.importorskip("kubernetes", reason="the Kubernetes client is not installed: run 'make setup'")

from medweave.stack import StackValues
from tests.cluster.api_server import Cluster

IMAGE = "registry.local/medweave:1"
VALUES = StackValues(context="test", image=IMAGE, artifacts="s3://zenml", mlflow="https://mlflow:8443")

PIPELINE = {"AWS_ACCESS_KEY_ID": "a2V5", "AWS_SECRET_ACCESS_KEY": "aGlkZGVu"}
"""The Secret `pipeline`, in Base64."""
OURS = ("MLFLOW_TRACKING_", "MEDWEAVE_", "AWS_", "KUBECONFIG")


@pytest.fixture(scope="session")
def cluster_home(tmp_path_factory):
    """The home of these tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def environment(cluster_home):
    """Variables of whoever submits, and none of other tests."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    os.environ.update(MEDWEAVE_HOME=str(cluster_home), AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="hidden")
    os.environ.update(
        MLFLOW_TRACKING_USERNAME="admin", MLFLOW_TRACKING_PASSWORD="hidden", KUBECONFIG=f"{cluster_home}/kubeconfig"
    )
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def object_store():
    """The address of a server that speaks S3, with the stack's bucket; pods find it and its credentials."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    boto3.client(
        "s3", "us-east-1", endpoint_url=url, aws_access_key_id="key", aws_secret_access_key="hidden"
    ).create_bucket(Bucket="zenml")
    yield url
    server.stop()


@pytest.fixture(scope="session")
def port():
    """The clusters' port: ZenML keeps its client of the first one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def cluster(tmp_path, environment, cluster_home, port, monkeypatch):
    running = Cluster(tmp_path, port)
    path = running.kubeconfig(cluster_home / "kubeconfig")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    running.add("secrets", {"metadata": {"name": "pipeline"}, "data": dict(PIPELINE)})
    for name in ("orchestrator", "step"):
        running.add("serviceaccounts", {"metadata": {"name": name}})
    yield running
    running.close()


@pytest.fixture
def values(object_store):
    """What the stack of these tests is made from."""
    return VALUES.model_copy(update={"endpoint": object_store})


@pytest.fixture
def stack(cluster, values):
    """The stack, with ZenML's store on this machine's disk, which its pods share."""
    from zenml.client import Client
    from zenml.enums import StackComponentType as Kind

    from pipelines.stacks import apply_stack

    apply_stack("kubernetes", values)
    here = {
        "local": True,
        "pass_zenml_token_as_secret": False,
        "job_monitoring_interval": 1.0,
        "interrupt_check_interval": 2.0,
    }
    client = Client()
    client.update_stack_component("kubernetes", Kind.ORCHESTRATOR, configuration=here)
    client.activate_stack("kubernetes")
    yield "kubernetes"
    client.activate_stack("default")
    client.update_stack_component("kubernetes", Kind.ORCHESTRATOR, configuration=dict.fromkeys(here))
