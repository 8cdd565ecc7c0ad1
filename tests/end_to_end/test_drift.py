"""Labels that are unlike gold stop a run before it trains on them."""

import re

import cv2
import numpy as np
import yaml

from medweave.config import Phantoms
from medweave.data.phantoms import write_phantoms
from tests.end_to_end.conftest import TINY


def test_labels_unlike_gold_stop_the_run_and_leave_their_page(trained, medweave, tmp_path):
    root = tmp_path / "task"
    write_phantoms(root, Phantoms(size=64, gold=8, unlabeled=10, test=6), seed=4)
    masks = root / "masks"
    masks.mkdir()
    for image in (root / "unlabeled/images").iterdir():
        speck = np.zeros((64, 64), np.uint8)
        speck[4:12, 4:12] = 255
        cv2.imwrite(str(masks / f"{image.stem}.png"), speck)
    config = tmp_path / "specks.yaml"
    labeling = {"labeler": "imported", "imported": str(masks)}
    config.write_text(
        yaml.safe_dump(
            {
                **TINY,
                "task": "specks",
                "data": {**TINY["data"], "root": str(root)},
                "labeling": labeling,
                "quality": {**TINY["quality"], "on_drift": "stop"},
            }
        )
    )
    ended = medweave("run", "--config", config, "--output", tmp_path / "out")
    assert ended.status == 1
    last = ended.err.splitlines()[-1]
    assert last.startswith("medweave: step check_drift: weak accepted labels are unlike gold: area_share lower")
    assert "quality.on_drift=warn" in last
    assert "weak accepted labels: area_share" in (tmp_path / "out" / "labels.html").read_text()
    assert not (tmp_path / "out" / "summary.json").exists()
    run = re.search(r"\((run:[0-9a-f-]+)\)$", last)[1]
    assert medweave("labels", "review", "--run", run, "--to", tmp_path / "review").status == 0
    assert len(list((tmp_path / "review/images").iterdir())) == 10
