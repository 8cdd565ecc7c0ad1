"""The monitoring pipeline in pods: each finds the batches of the runs before it in object storage."""

import numpy as np
import pytest
from PIL import Image

from medweave.config import Settings
from tests.end_to_end.conftest import TINY

pytestmark = pytest.mark.soak

SETTINGS = {
    **TINY,
    "data": {**TINY["data"], "phantoms": {"size": 64, "gold": 8, "unlabeled": 6, "test": 6}},
    "cluster": {"pod": {"retries": 0}, "steps": {"train_coarse": {"cpu": "2"}}},
}


def folder_of_images(folder, level):
    random = np.random.default_rng(level)
    folder.mkdir()
    for index in range(3):
        Image.fromarray(random.integers(level, level + 20, (64, 64, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return str(folder)


def test_batches_outlive_the_pods_that_judged_them(stack, cluster, object_store, tmp_path):
    import s3fs

    from pipelines.launch_monitoring import run_monitoring

    settings = Settings.model_validate({**SETTINGS, "tracking": {"uri": f"sqlite:///{tmp_path}/mlflow.db"}})
    ids = []
    for level in (60, 160):
        images = folder_of_images(tmp_path / f"images-{level}", level)
        batch = run_monitoring(settings, images, None, None, tmp_path / "output")
        assert (batch["verdict"]["level"], batch["images"], batch["champion"]) == ("watch", 3, None)
        assert "<html" in (tmp_path / "output/drift.html").read_text()
        ids.append(batch["id"])
    files = s3fs.S3FileSystem(key="key", secret="hidden", endpoint_url=object_store, skip_instance_cache=True)
    kept = files.ls(f"zenml/medweave/monitoring/{settings.task}/batches")
    assert sorted(path.rpartition("/")[2] for path in kept) == sorted(ids)
    metrics = files.cat(f"zenml/medweave/monitoring/{settings.task}/medweave.prom").decode()
    assert f'medweave_batches{{task="{settings.task}",verdict="watch"}} 2.0' in metrics
