"""The rendered overlays: valid for each Kubernetes that is supported, and nothing that a platform team would refuse."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

OVERLAYS = Path(__file__).resolve().parents[2] / "infra/kubernetes/overlays"
VERSIONS = ("1.30", "1.31", "1.32", "1.33", "1.34")
Object = dict[str, Any]

pytestmark = [
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl renders the overlays and is not installed"),
    pytest.mark.parametrize("overlay", ["local", "production"]),
]


@cache
def rendered(overlay: str) -> list[Object]:
    text = subprocess.run(["kubectl", "kustomize", OVERLAYS / overlay], capture_output=True, check=True).stdout
    return list(yaml.safe_load_all(text))


def of_kind(overlay: str, *kinds: str) -> list[Object]:
    return [item for item in rendered(overlay) if item["kind"] in kinds]


def pods(overlay: str) -> dict[str, Object]:
    """Template of each workload, by the workload's name."""
    workloads = of_kind(overlay, "Deployment", "StatefulSet", "Job")
    return {item["metadata"]["name"]: item["spec"]["template"] for item in workloads}


def containers(overlay: str) -> Iterator[tuple[str, Object]]:
    for name, pod in pods(overlay).items():
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            yield f"{name}/{container['name']}", container


def values(node: Any, key: str) -> Iterator[Any]:
    """What stands under this key, anywhere below."""
    if isinstance(node, dict):
        yield from (value for name, value in node.items() if name == key)
        for value in node.values():
            yield from values(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from values(value, key)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_fits_the_schema(overlay, version):
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed: 'make setup'")
    for item in rendered(overlay):
        validator.validate(item, version, strict=True)


def test_all_live_in_one_namespace_that_enforces_the_restricted_level(overlay):
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [item for item in rendered(overlay) if item["kind"] != "Namespace"]
    assert {item["metadata"]["namespace"] for item in others} == {namespace["metadata"]["name"]}


def test_pods_pass_the_restricted_level(overlay):
    for name, pod in pods(overlay).items():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not any(key in pod["spec"] for key in ("hostNetwork", "hostPID", "hostIPC")), name
        allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
        assert all(set(volume) - {"name"} <= allowed for volume in pod["spec"].get("volumes", [])), name
    for name, container in containers(overlay):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, name
        assert context["readOnlyRootFilesystem"] is True, name
        assert context["capabilities"] == {"drop": ["ALL"]}, name


def test_containers_say_what_they_need_and_how_they_are(overlay):
    for name, container in containers(overlay):
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
        assert "memory" in container["resources"]["limits"], name
        if container.get("ports"):
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys(), name


def test_images_are_pinned_to_a_version(overlay):
    for name, container in containers(overlay):
        _, colon, tag = container["image"].rpartition("/")[2].partition(":")
        assert colon, name
        assert any(character.isdigit() for character in tag), name


def test_secrets_are_only_referred_to(overlay):
    assert of_kind(overlay, "Secret") == []
    for name, container in containers(overlay):
        for variable in container.get("env", []):
            if variable["name"].endswith(("PASSWORD", "_KEY", "_KEY_ID", "TOKEN", "_URI", "STORE_URL")):
                given = variable.get("value")
                assert given is None, f"{name} {variable['name']}"
                assert variable["valueFrom"].keys() == {"secretKeyRef"}, f"{name} {variable['name']}"


def test_rights_are_listed_verb_by_verb_within_the_namespace(overlay):
    assert of_kind(overlay, "ClusterRole", "ClusterRoleBinding") == []
    rules = [rule for role in of_kind(overlay, "Role") for rule in role["rules"]]
    assert rules
    for rule in rules:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert rule["resources"] != ["secrets"] or set(rule["verbs"]) <= {"create", "delete"}
    bound = {(item["metadata"]["name"], item["roleRef"]["name"]) for item in of_kind(overlay, "RoleBinding")}
    assert bound == {("orchestrator", "orchestrator"), ("submitter", "submitter")}


def test_only_the_orchestrators_pods_get_a_token(overlay):
    accounts = {item["metadata"]["name"]: item for item in of_kind(overlay, "ServiceAccount")}
    with_token = {name for name, item in accounts.items() if item.get("automountServiceAccountToken", True)}
    assert with_token == {"orchestrator"}
    assert {pod["spec"]["serviceAccountName"] for pod in pods(overlay).values()} == {"server"}


def test_the_network_is_closed_and_every_server_has_a_way_in(overlay):
    policies = of_kind(overlay, "NetworkPolicy")
    (closed,) = [item for item in policies if item["spec"]["podSelector"] == {}
                 and set(item["spec"]["policyTypes"]) == {"Ingress", "Egress"}]  # fmt: skip
    assert closed["spec"].keys() == {"podSelector", "policyTypes"}
    for service in of_kind(overlay, "Service"):
        labels = pods(overlay)[service["metadata"]["name"]]["metadata"]["labels"]
        ports = {
            port["port"]
            for policy in policies
            if policy["spec"]["podSelector"].get("matchLabels", {"no": "label"}).items() <= labels.items()
            for rule in policy["spec"].get("ingress", [])
            for port in rule["ports"]
        }
        assert {port["port"] for port in service["spec"]["ports"]} == ports


def test_every_server_has_a_certificate_and_a_budget_for_disruptions(overlay):
    services = {item["metadata"]["name"] for item in of_kind(overlay, "Service")}
    budgets = {item["metadata"]["name"] for item in of_kind(overlay, "PodDisruptionBudget")}
    assert budgets == services
    for name in services:
        secrets = set(values(pods(overlay)[name]["spec"]["volumes"], "secretName"))
        assert f"{name}-tls" in secrets
    assert all(item["spec"]["tls"] for item in of_kind(overlay, "Ingress"))


def test_what_a_pod_refers_to_is_made_by_the_overlay_or_by_its_script(overlay):
    script = (OVERLAYS / "local/secrets.sh").read_text()
    volumes = {item["metadata"]["name"] for item in of_kind(overlay, "PersistentVolumeClaim")}
    maps = {item["metadata"]["name"] for item in of_kind(overlay, "ConfigMap")} | {"medweave-ca"}
    for name, pod in pods(overlay).items():
        assert set(values(pod, "claimName")) <= volumes, name
        assert {item["name"] for item in values(pod, "configMap")} <= maps, name
        for reference in values(pod, "secretKeyRef"):
            assert f"secret generic {reference['name']} " in script, name
            assert f"{reference['key']}=" in script, name
