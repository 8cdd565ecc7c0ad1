import json

import numpy as np
import pytest
import torch

from medweave.bench.coarse import coarse_boxes
from medweave.bench.data import gold_folder
from medweave.config import Prompts, Segmentation
from medweave.home import home

TINY = Segmentation(
    architecture="Unet",
    image_size=32,
    decoder_channels=(16, 8, 8, 8, 8),
    folds=3,
    coarse_steps=20,
    evaluations=1,
    batch_size=3,
    learning_rate=2e-3,
)


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small spend all their time waiting for a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_boxes_of_a_coarse_model_are_near_and_are_made_once(folder):
    gold = gold_folder(folder, 1)
    boxes = coarse_boxes(gold, gold, TINY, Prompts(margin=0.0, jitters=0), seed=0)
    for image_id, tight in (("one", (10, 5, 40, 25)), ("three", (0, 0, 20, 50)), ("two", (4, 4, 44, 34))):
        assert np.abs(np.subtract(boxes[image_id][0].box, tight)).mean() < 8
    (kept,) = (home() / "bench").iterdir()
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "one": []}))
    assert coarse_boxes(gold, gold, TINY, Prompts(margin=0.0, jitters=0), seed=0) == {**boxes, "one": []}
