"""A run that makes images: from the generator to the report, and the command that checks a folder of them."""

import json
import shutil

import cv2
import pytest
import yaml
from zenml.client import Client

from pipelines.store import artifact
from tests.end_to_end.conftest import TINY, call

SYNTHESIS = {
    "enabled": True,
    "count": 6,
    "image_size": 32,
    "width": 8,
    "steps": 20,
    "batch_size": 4,
    "sampling_steps": 3,
    "share": 0.25,
    "checks": {"false_alarms": 1e-9, "coarse_dice": 0.0, "labeler_dice": 0.0},
}


@pytest.fixture(scope="module")
def synthetic(trained, task_folder, tmp_path_factory):
    """The output folder of a run of the tiny task with synthesis."""
    config = tmp_path_factory.mktemp("config") / "synthetic.yaml"
    settings = {**TINY, "data": {**TINY["data"], "root": str(task_folder)}, "synthesis": SYNTHESIS}
    config.write_text(yaml.safe_dump(settings))
    output = tmp_path_factory.mktemp("synthetic")
    assert call("run", "--config", config, "--output", output) == 0
    return output


def test_a_run_with_synthesis_keeps_the_summary_and_tells_of_its_images(synthetic, trained):
    summary = json.loads((synthetic / "summary.json").read_text())
    assert summary.keys() == trained.summary.keys()
    assert summary["labels"]["weak"] == trained.summary["labels"]["weak"]
    counts = summary["labels"]["synthetic"]
    run = Client().get_pipeline_run(summary["run_id"])
    checks, choice = (
        artifact(run, "check_samples", "sample_checks"),
        artifact(run, "choose_synthetic", "synthetic_choice"),
    )
    assert checks["made"] == 6
    assert summary["data"]["synthetic"] == counts["made"] == checks["kept"]
    assert counts["made"] == counts["accepted"] + counts["review"] + counts["rejected"]
    assert choice["offered"] == counts["accepted"]
    labels = 8 + summary["labels"]["weak"]["accepted"]
    assert choice["images"] == min(counts["accepted"], int(labels / 3))
    used = artifact(run, "choose_synthetic", "trained_synthetic")
    assert len(used) == (choice["images"] if choice["kept"] else 0)
    report = (synthetic / "report.html").read_text()
    assert 'id="synthesis"' in report and f"6 made, {checks['kept']} kept" in report


def test_samples_say_how_they_were_made(synthetic):
    run = Client().get_pipeline_run(json.loads((synthetic / "summary.json").read_text())["run_id"])
    generator, samples = artifact(run, "train_generator", "generator"), list(artifact(run, "synthesize", "samples"))
    assert len(samples) == 6
    known = {row.image_id: row.group_id for name in ("gold", "unlabeled") for row in artifact(run, "ingest", name)}
    for index, row in enumerate(samples):
        assert (row.label_source, row.made_by["generator"], row.made_by["index"]) == (
            "synthetic",
            generator.digest,
            index,
        )
        assert row.group_id == known[row.made_by["condition"]["origin"][0]]
        assert cv2.imread(row.image_uri).shape == (32, 32, 3)


def test_check_ends_with_1_and_names_a_memorised_image(synthetic, task_folder, medweave, tmp_path):
    training, samples = task_folder / "gold/images", tmp_path / "samples"
    run = Client().get_pipeline_run(json.loads((synthetic / "summary.json").read_text())["run_id"])
    samples.mkdir()
    for row in artifact(run, "synthesize", "samples"):
        shutil.copy(row.image_uri, samples)
    copied = sorted(training.iterdir())[2]
    cv2.imwrite(str(samples / "memorised.png"), cv2.imread(str(copied))[:, ::-1])
    ended = medweave("synth", "check", "--images", samples, "--training", training, "--json")
    found = json.loads(ended.out)
    assert ended.status == 1 and "near-copies of training images" in ended.err
    assert {"sample": "memorised", "image": copied.stem} in [
        {key: one[key] for key in ("sample", "image")} for one in found["near_copies"]
    ]
    assert found["made"] == 7 and found["samples"]["memorised"] == ["near-copy of a training image"]
    ended = medweave("synth", "check", "--images", samples, "--training", tmp_path / "none")
    assert ended.status == 2 and "none: no such folder" in ended.err
