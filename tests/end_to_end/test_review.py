"""Labels go out for review, come back corrected, and the next run learns from them."""

import json

import cv2
import numpy as np
import pytest

from tests.end_to_end.conftest import call

TASK = ("--set", "task=reviewed")
"""A name of its own, so that its corrections are not those of other tests' runs; every step but the last is reused."""


@pytest.fixture(scope="module")
def before(trained, tmp_path_factory):
    """The summary of a run before anything was corrected."""
    output = tmp_path_factory.mktemp("before")
    assert call("run", "--config", trained.config, "--output", output, *TASK) == 0
    return json.loads((output / "summary.json").read_text())


@pytest.fixture(scope="module")
def queue(before, tmp_path_factory):
    """The folder where that run's labels wait for review."""
    folder = tmp_path_factory.mktemp("review") / "queue"
    assert call("labels", "review", "--run", f"run:{before['run_id']}", "--to", folder, "--count", 3) == 0
    return folder


def test_a_correction_goes_into_the_next_run(trained, before, queue, medweave, tmp_path, session_home):
    masks = sorted((queue / "masks").iterdir())
    assert len(masks) == 3
    drawn = np.zeros(cv2.imread(str(masks[0]), 0).shape, np.uint8)
    drawn[20:40, 24:50] = 255
    cv2.imwrite(str(masks[0]), drawn)
    ended = medweave("labels", "import", queue, "--by", "Dr. Anna")
    assert ended.status == 0 and "corrected by Dr. Anna: 1 kept in" in ended.err
    ended = medweave("labels", "import", queue, "--by", "Dr. Anna")
    assert ended.status == 0 and "imported before: 1, nothing was added" in ended.err
    assert len(list((session_home / "corrections/reviewed").glob("*.json"))) == 1

    ended = medweave("run", "--config", trained.config, "--output", tmp_path / "next", *TASK)
    assert ended.status == 0
    summary = json.loads((tmp_path / "next/summary.json").read_text())
    data = before["data"]
    assert summary["data"] == {**data, "gold": data["gold"] + 1, "unlabeled": data["unlabeled"] - 1}

    ended = medweave("labels", "review", "--run", "run:latest", "--to", tmp_path / "queue", "--count", 99)
    assert ended.status == 0
    assert len(list((tmp_path / "queue/masks").iterdir())) == data["unlabeled"] - 1
    assert not (tmp_path / "queue/masks" / masks[0].name).exists()


def test_wrong_masks_are_listed_in_one_error(queue, medweave, session_home):
    stranger, other = queue / "masks/stranger.png", sorted((queue / "masks").iterdir())[-1]
    kept, count = other.read_bytes(), len(list((session_home / "corrections").rglob("*.json")))
    cv2.imwrite(str(stranger), np.zeros((64, 64), np.uint8))
    cv2.imwrite(str(other), np.zeros((5, 6), np.uint8))
    ended = medweave("labels", "import", queue)
    stranger.unlink()
    other.write_bytes(kept)
    assert ended.status == 2 and "Traceback" not in ended.err
    assert "stranger.png" in ended.err and f"masks/{other.name}: the mask is 6x5" in ended.err
    assert len(list((session_home / "corrections").rglob("*.json"))) == count


def test_folders_that_cannot_be_used(queue, medweave, tmp_path):
    ended = medweave("labels", "review", "--run", "run:latest", "--to", queue)
    assert ended.status == 2 and "is not an empty folder" in ended.err
    ended = medweave("labels", "import", tmp_path)
    assert ended.status == 2 and "is no review queue" in ended.err
