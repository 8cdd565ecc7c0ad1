"""The monitoring pipeline in pods: each finds the batches of the runs before it in object storage."""

import io

import numpy as np
import pytest
from PIL import Image

from medweave.config import Settings
from medweave.errors import InputError
from medweave.monitoring import shared_store
from pipelines import schedules
from pipelines.launch_monitoring import run_monitoring
from steps.refresh import refresh
from tests.end_to_end.conftest import TINY
from tests.monitoring.conftest import add, batch

SETTINGS = {
    **TINY,
    "data": {**TINY["data"], "phantoms": {"size": 64, "gold": 8, "unlabeled": 6, "test": 6}},
    "monitoring": {"min_images": 8, "retrain": True},
    "cluster": {"pod": {"retries": 0}, "steps": {"train_coarse": {"cpu": "2"}}},
}


@pytest.fixture
def files(object_store, monkeypatch):
    """What is in object storage; it is reached there by whoever monitors, too."""
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store)
    return s3fs.S3FileSystem(key="key", secret="hidden", endpoint_url=object_store, skip_instance_cache=True)


def put_images(files, folder, names, level):
    random = np.random.default_rng(level)
    for name in names:
        data = io.BytesIO()
        Image.fromarray(random.integers(level, level + 20, (64, 64, 3), dtype=np.uint8)).save(data, "PNG")
        files.pipe_file(f"{folder}/{name}.png", data.getvalue())


def batches(files):
    files.invalidate_cache()
    return sorted(path.rpartition("/")[2] for path in files.ls("zenml/medweave/monitoring/tiny/batches"))


def test_folders_of_this_machine_are_refused_before_a_pod_starts(stack, cluster, tmp_path):
    settings = Settings.model_validate(SETTINGS)
    for images, labels, told in ((tmp_path, None, "--images"), ("s3://zenml/new", tmp_path, "--labels")):
        with pytest.raises(InputError, match=f"{told} {tmp_path}: pods do not see folders of this machine"):
            run_monitoring(settings, str(images), None, labels and str(labels), tmp_path / "output")
    assert cluster.objects["jobs"] == {}


def test_the_last_pod_of_a_training_brings_the_dashboards_up_to_date(stack, files, tmp_path, monkeypatch):
    settings = Settings(task="shown", tracking={"uri": f"sqlite:///{tmp_path}/mlflow.db"})
    monkeypatch.setenv("MEDWEAVE_SHARED", "s3://zenml/shown")
    for pod in ("before", "first", "last"):
        monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / pod))
        if pod == "first":
            with shared_store(settings) as store:
                add(store, batch(1))
        else:
            refresh(settings)
        files.invalidate_cache()
        assert files.exists("zenml/shown/monitoring/shown/medweave.prom") == (pod == "last")
    assert len(files.glob("zenml/shown/monitoring/evidently/*/snapshots/*.json")) == 1


@pytest.mark.soak
def test_batches_outlive_the_pods_that_judged_them(stack, cluster, files, tmp_path):
    """A batch that somebody waits for, then one of a schedule, which takes only what is new and starts a retraining."""
    settings = Settings.model_validate({**SETTINGS, "tracking": {"uri": f"sqlite:///{tmp_path}/mlflow.db"}})
    put_images(files, "zenml/new", "abc", 60)
    batch = run_monitoring(settings, "s3://zenml/new", None, None, tmp_path / "output")
    assert (batch["verdict"]["level"], batch["images"], batch["champion"]) == ("watch", 3, None)
    assert "<html" in (tmp_path / "output/drift.html").read_text()
    assert batches(files) == [batch["id"]]

    schedules.create("tiny", "0 3 * * 0", settings)
    (training,) = cluster.objects["cronjobs"]
    schedules.create_monitoring("tiny-monitoring", "0 6 * * *", settings, "s3://zenml/new", None)
    put_images(files, "zenml/new", "defghijkl", 160)
    (monitoring,) = set(cluster.objects["cronjobs"]) - {training}
    cluster.finish(cluster.tick(monitoring))
    first, second = batches(files)
    assert first == batch["id"]
    judged = files.cat(f"zenml/medweave/monitoring/tiny/batches/{second}/batch.json").decode()
    assert '"images": 9' in judged and '"level": "drift"' in judged
    assert [name for name in cluster.objects["jobs"] if name.startswith(training)]
    metrics = files.cat("zenml/medweave/monitoring/tiny/medweave.prom").decode()
    assert 'medweave_batches{task="tiny",verdict="drift"} 1.0' in metrics
    for name in ("tiny", "tiny-monitoring"):
        schedules.delete(name)
