"""The training pipeline in pods that share nothing but an object store and servers."""

import pytest
from kubernetes.utils.quantity import parse_quantity

from medweave.config import Settings
from pipelines.store import artifact, find_run
from tests.end_to_end.conftest import TINY
from tests.end_to_end.test_synthesis import SYNTHESIS

pytestmark = pytest.mark.soak

SETTINGS = {
    **TINY,
    "data": {**TINY["data"], "phantoms": {"size": 64, "gold": 8, "unlabeled": 6, "test": 6}},
    "synthesis": SYNTHESIS,
    "cluster": {"parts": 2, "parallel": 2, "pod": {"retries": 0}},
    "compute": {**TINY["compute"], "shard_rows": 2},
}


def test_a_run_in_pods_comes_to_a_model_and_a_report(stack, cluster, tmp_path):
    from pipelines.launch import run_training

    settings = Settings.model_validate({**SETTINGS, "tracking": {"uri": f"sqlite:///{tmp_path}/mlflow.db"}})
    summary = run_training(settings, tmp_path / "output")
    assert summary["status"] == "completed"
    assert summary["data"]["unlabeled"] == 6
    assert (tmp_path / "output/report.html").stat().st_size > 10_000
    run = find_run(f"run:{summary['run_id']}")
    parts = [artifact(run, f"label_synthetic_part_{part}", "labelled") for part in (1, 2)]
    assert sum(parts) == len(artifact(run, "synthesize", "samples")) and all(parts)
    for name, peak in cluster.peaks.items():
        (container,) = cluster.objects["pods"][name]["spec"]["containers"]
        assert peak < parse_quantity(container["resources"]["limits"]["memory"]), name
