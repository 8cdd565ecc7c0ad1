"""What pods of steps ask for: every key is one that Kubernetes knows, and every pod passes the restricted level."""

import pytest

from medweave.config import Cluster as Settings
from medweave.config import Pod
from medweave.errors import InputError
from pipelines.cluster import options


def manifest(pod_settings):
    """The pod that ZenML makes of these settings, as JSON."""
    from kubernetes.client import ApiClient
    from zenml.integrations.kubernetes.manifest_utils import build_pod_manifest
    from zenml.integrations.kubernetes.pod_settings import KubernetesPodSettings

    pod = build_pod_manifest("p", "i:1", ["c"], [], False, pod_settings=KubernetesPodSettings(**pod_settings))
    return ApiClient().sanitize_for_serialization(pod)


def without_nulls(node):
    """The API server drops null fields, of which ZenML leaves some under Python's names in security contexts."""
    if isinstance(node, dict):
        return {key: without_nulls(value) for key, value in node.items() if value is not None}
    return [without_nulls(value) for value in node] if isinstance(node, list) else node


def orchestrator(settings, step="train_final"):
    return options(settings, [step, "label_gold_round_1"])["steps"][step]["settings"]["orchestrator"]


def test_a_step_with_a_gpu_asks_for_it_where_gpus_are(stack):
    settings = Settings(
        gpu_nodes={"pool": "gpu"},
        steps={"train_final": Pod(gpus=2, memory="16Gi", shared_memory="8Gi", priority="high")},
    )
    spec = manifest(orchestrator(settings)["pod_settings"])["spec"]
    (container,) = spec["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "1", "memory": "16Gi"},
        "limits": {"memory": "16Gi", "nvidia.com/gpu": "2"},
    }
    assert spec["nodeSelector"] == {"pool": "gpu"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert {"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}} in spec["volumes"]
    assert {"name": "dshm", "mountPath": "/dev/shm"} in container["volumeMounts"]
    assert spec["priorityClassName"] == "high"
    assert "nodeSelector" not in manifest(orchestrator(Settings())["pod_settings"])["spec"]


@pytest.mark.parametrize("which", ["step", "orchestrator"])
def test_pods_are_valid_and_pass_the_restricted_level(stack, which):
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed: 'make setup'")
    made = options(Settings(), ["train_final"])["settings"]["orchestrator"]["orchestrator_pod_settings"]
    pod = manifest(made if which == "orchestrator" else orchestrator(Settings())["pod_settings"])
    for version in ("1.30", "1.34"):
        validator.validate({**without_nulls(pod), "apiVersion": "v1", "kind": "Pod"}, version, strict=True)
    assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == which
    assert pod["spec"]["securityContext"] == {"fsGroup": 10001, "runAsUser": 10001, "runAsGroup": 10001}
    context = pod["spec"]["containers"][0]["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_retries_timeouts_and_rounds(stack):
    made = options(
        Settings(pod=Pod(retries=2), steps={"label_gold": Pod(retries=0, timeout=60)}), ["count", "label_gold_round_1"]
    )
    assert made["steps"]["count"]["retry"] == {"max_retries": 2}
    labelled = made["steps"]["label_gold_round_1"]
    assert "retry" not in labelled
    assert labelled["settings"]["orchestrator"]["active_deadline_seconds"] == 60
    first, _ = labelled["settings"]["orchestrator"]["pod_failure_policy"]["rules"]
    assert first["action"] == "Ignore"


def test_every_part_of_labelling_has_the_pod_of_labelling(stack):
    parts = ["label_unlabeled_part_1", "label_unlabeled_part_12_round_1"]
    made = options(Settings(steps={"label_unlabeled": Pod(timeout=60)}, parallel=2), [*parts, "label_unlabeled"])
    assert {made["steps"][part]["settings"]["orchestrator"]["active_deadline_seconds"] for part in parts} == {60}
    assert made["settings"]["orchestrator"]["max_parallelism"] == 2


def test_only_the_step_that_starts_jobs_has_the_orchestrators_rights_and_network(stack):
    made = options(Settings(), ["start_retraining", "judge_batch"])["steps"]
    starting, judging = (made[step]["settings"]["orchestrator"] for step in ("start_retraining", "judge_batch"))
    assert starting["step_pod_service_account_name"] == "orchestrator"
    assert starting["pod_settings"]["labels"] == {"app.kubernetes.io/component": "orchestrator"}
    assert "step_pod_service_account_name" not in judging
    assert judging["pod_settings"]["labels"] == {"app.kubernetes.io/component": "step"}


def test_a_step_that_is_not_there_is_named(stack):
    with pytest.raises(InputError, match=r"cluster\.steps: no step is named train_finl; there are count"):
        options(Settings(steps={"train_finl": Pod()}), ["count"])


def test_the_settings_may_name_steps_of_another_pipeline(stack):
    settings = Settings(steps={"take_images": Pod(), "label_unlabeled": Pod()})
    made = options(settings, ["count"], known=["take_images", "label_unlabeled_part_1"])
    assert list(made["steps"]) == ["count"]
