"""A stack from its values: made once, changed when they change, and what is wrong with its cluster is named."""

import pytest
import yaml

from medweave.errors import InputError
from medweave.stack import load_values
from tests.cluster.conftest import IMAGE, VALUES


def checks(name="kubernetes", patience=3.0):
    from pipelines.stack_checks import examine_stack

    return {check.name: (check.state, check.what) for check in examine_stack(name, patience)}


@pytest.fixture
def applied(cluster, values):
    from zenml.client import Client

    from pipelines.stacks import apply_stack

    apply_stack("kubernetes", values)
    yield
    Client().activate_stack("default")


def test_applying_it_again_changes_nothing_and_other_values_do(applied, values):
    from zenml.client import Client
    from zenml.enums import StackComponentType as Kind

    from pipelines.stacks import apply_stack

    assert apply_stack("kubernetes", values) is False
    other = values.model_copy(update={"image": "registry.local/medweave:2", "pull_secrets": ("key",)})
    assert apply_stack("kubernetes", other) is True
    stack = Client().get_stack("kubernetes")
    assert stack.labels == {"image": "registry.local/medweave:2"}
    pod = stack.components[Kind.ORCHESTRATOR][0].configuration["pod_settings"]
    assert pod["image_pull_secrets"] == ["key"]
    assert pod["container_security_context"]["readOnlyRootFilesystem"] is True
    assert apply_stack("kubernetes", values) is True
    tracker = stack.components[Kind.EXPERIMENT_TRACKER][0].configuration
    assert tracker["tracking_password"] == "{{kubernetes-mlflow.password}}"
    assert Client().get_secret("kubernetes-mlflow").secret_values == {"username": "admin", "password": "hidden"}


def test_credentials_that_are_not_set_are_named(monkeypatch):
    from pipelines.stacks import apply_stack

    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    with pytest.raises(InputError, match=r"^MLFLOW_TRACKING_PASSWORD: not set"):
        apply_stack("kubernetes", VALUES)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("image", "medweave", "'image': string should match pattern"),
        ("mlflow", "http://mlflow", "'mlflow': string should match pattern"),
        ("imagee", "x", "'imagee': extra inputs are not permitted"),
    ],
)
def test_wrong_values_are_named(tmp_path, key, value, said):
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({**VALUES.model_dump(mode="json"), key: value}))
    with pytest.raises(InputError) as error:
        load_values(file)
    assert str(error.value).startswith(f"{file}: {said}")


@pytest.mark.parametrize("name", ["local", "production"])
def test_the_examples_are_valid(name):
    from pathlib import Path

    assert load_values(Path(__file__).resolve().parents[2] / f"infra/stacks/{name}.yaml").namespace == "medweave"


def test_pods_trust_an_authority_of_ones_own_and_read_artifacts_through_mlflow():
    from pipelines.stacks import orchestrator

    def environment(**changed):
        made = orchestrator(VALUES.model_copy(update=changed))["pod_settings"]["env"]
        return {variable["name"]: variable["value"] for variable in made}

    without = environment(ca=None)
    assert dict(environment(ca="ours").items() - without.items()) == {
        "ZENML_STORE_VERIFY_SSL": "/ca/ca.crt",
        "MLFLOW_TRACKING_SERVER_CERT_PATH": "/ca/ca.crt",
        "AWS_CA_BUNDLE": "/ca/ca.crt",
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    }


def test_a_cluster_that_is_down_an_expired_token_and_an_unknown_context(applied, cluster, cluster_home, monkeypatch):
    cluster.token = "renewed"
    assert checks()["cluster"] == (
        "missing",
        "context test: the API server answers 401 Unauthorized; log in again: the token has expired or is wrong",
    )
    cluster.stop()
    state, said = checks()["cluster"]
    assert state == "missing"
    assert said.startswith("context test: the API server does not answer (")
    assert said.endswith("Connection refused); is the cluster up?")
    kubeconfig = cluster_home / "kubeconfig"
    kubeconfig.write_text(kubeconfig.read_text().replace("name: test", "name: other"))
    assert "context test: " in checks()["cluster"][1]


def test_rights_accounts_and_gpu_nodes(applied, cluster):
    cluster.missing_images = {IMAGE}
    found = checks()
    assert found["cluster"] == ("ok", "context test, Kubernetes v1.32.4")
    assert (found["clock"][0], found["namespace"][0], found["rights"][0]) == ("ok", "ok", "ok")
    assert found["service accounts"] == ("ok", "orchestrator, step")
    assert found["gpu nodes"][0] == "note"
    state, said = found["from a pod"]
    assert state == "missing"
    assert f"ImagePullBackOff: pulling {IMAGE}: not found" in said
    assert cluster.objects["jobs"] == {}

    cluster.add("nodes", {"metadata": {"name": "a"}, "status": {"allocatable": {"nvidia.com/gpu": "2"}}})
    cluster.delete("serviceaccounts", "step")
    found = checks()
    assert found["gpu nodes"] == ("ok", "a (2)")
    assert found["service accounts"][1].startswith("step: is not there")

    cluster.denied = {"create jobs", "list pods"}
    found = checks()
    assert "in medweave you may not create jobs, list pods" in found["rights"][1]
    assert "from a pod" not in found
    cluster.denied = {"list nodes"}
    assert checks()["gpu nodes"][0] == "note"
    cluster.namespace = "elsewhere"
    assert checks()["namespace"][1].startswith("medweave: is not there")


def test_what_a_pod_cannot_reach_is_told_by_the_pod(applied, cluster):
    state, said = checks(patience=60)["from a pod"]
    assert state == "missing"
    assert said.startswith("https://mlflow:8443/health: ")
    cluster.objects["secrets"]["pipeline"]["data"].clear()
    said = checks(patience=60)["from a pod"][1].splitlines()
    assert said[0] == "s3://zenml/medweave: Unable to locate credentials"
    assert said[1].startswith("https://mlflow:8443/health: ")


def test_a_stack_that_is_not_there_is_named(cluster_home):
    assert checks("kubernets")["stack"][1].startswith("kubernets: no such stack; make it with")
