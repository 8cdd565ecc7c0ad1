"""A batch from the command line to its verdict, its records, and the retraining that it starts."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest
from zenml.client import Client

from medweave.config import Phantoms, Tracking
from medweave.data.phantoms import write_phantoms
from medweave.scheduling import Job, remove_job, save_job
from medweave.tracking import connect

FEW = ("--set", "monitoring.min_images=8")


@pytest.fixture(scope="module")
def new_images(tmp_path_factory):
    """Forty new phantoms like those of the tiny task, and the same made brighter."""
    root = tmp_path_factory.mktemp("new")
    write_phantoms(root / "task", Phantoms(size=64, gold=1, unlabeled=40, test=1), seed=9)
    plain, bright = root / "task/unlabeled/images", root / "bright"
    bright.mkdir()
    for path in plain.iterdir():
        image = cv2.imread(str(path)).astype(int) + 70
        cv2.imwrite(str(bright / path.name), np.clip(image, 0, 255).astype(np.uint8))
    return plain, bright


def monitor(medweave, trained, images, output, *more):
    return medweave("monitor", "--config", trained.config, "--images", images, "--output", output, *FEW, *more)


def test_images_of_the_same_source_end_with_0_and_are_recorded(trained, medweave, new_images, tmp_path, session_home):
    ended = monitor(medweave, trained, new_images[0], tmp_path)
    assert ended.status == 0, ended.err
    batch = json.loads((tmp_path / "drift.json").read_text())
    assert batch["verdict"]["level"] in ("ok", "watch") and batch["images"] == 40
    assert (batch["champion"], batch["labels"]) in (("models:/medweave-tiny/1", "champion"), (None, "none"))
    assert (tmp_path / "drift.html").read_text().lstrip().startswith("<!doctype html>")
    client = connect(Tracking())
    experiment = client.get_experiment_by_name("medweave-tiny-monitoring")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.tags["batch"] == batch["id"] and run.data.metrics["images"] == 40
    assert run.inputs.dataset_inputs[0].dataset.digest == batch["digest"][:36]
    assert Client().get_pipeline_run(run.data.tags["zenml_run_id"]).pipeline.name == "monitoring"
    metrics = (session_home / "monitoring/tiny/medweave.prom").read_text()
    assert 'medweave_batch_images{task="tiny"} 40.0' in metrics
    assert 'medweave_run_state{task="tiny",pipeline="monitoring",state="completed"} 1.0' in metrics
    states = re.findall(r'medweave_run_state{task="tiny",pipeline="training",state="\w+"} (.+)', metrics)
    assert sorted(states) == ["0.0", "0.0", "1.0"]
    assert 'medweave_labels{task="tiny",source="weak",decision="accept"}' in metrics
    assert len(list((session_home / "monitoring/evidently").glob("*/snapshots/*.json"))) >= 2


def test_a_drift_ends_with_3_is_told_and_retrains_once(trained, medweave, new_images, tmp_path, told):
    ended = monitor(medweave, trained, new_images[1], tmp_path, "--set", "monitoring.retrain=true")
    assert ended.status == 3, ended.err
    batch = json.loads((tmp_path / "drift.json").read_text())
    moved = {one["column"] for one in batch["verdict"]["columns"] if one["level"] == "drift"}
    assert "image.brightness" in moved and not any(name in moved for name in ("image.side", "image.aspect"))
    summary = json.loads((tmp_path / "retraining" / "summary.json").read_text())
    assert summary["status"] == "completed" and summary["run_id"] != trained.summary["run_id"]
    again = monitor(medweave, trained, new_images[1], tmp_path / "again", "--set", "monitoring.retrain=true")
    assert again.status == 3
    assert not (tmp_path / "again" / "retraining").exists()
    assert "no retraining: " in again.err
    assert [message["status"] for message in told] == ["drift", "drift"]
    assert told[0]["text"].startswith(f"medweave tiny: drift in 40 images of {new_images[1]}: image.brightness higher")


@pytest.fixture
def inbox(trained, new_images, tmp_path):
    """A folder with the new images, and a schedule that monitors it; its results go to the folder `out`."""
    folder, output = tmp_path / "inbox", tmp_path / "out"
    shutil.copytree(new_images[0], folder)
    config, here = str(trained.config), str(tmp_path)
    save_job(Job("tiny-monitoring", "0 6 * * *", config, (FEW[1],), str(output), here, images=str(folder)))
    yield folder, output
    remove_job("tiny-monitoring")


def test_a_schedule_judges_what_no_batch_had_before(trained, medweave, inbox):
    folder, output = inbox
    first = medweave("schedule", "run", "tiny-monitoring")
    assert (first.status, json.loads((output / "drift.json").read_text())["images"]) == (0, 40), first.err
    for name in ("one", "two"):
        shutil.copy(min(folder.iterdir()), folder / f"{name}.png")
    ends = [medweave("schedule", "run", "tiny-monitoring").err.splitlines()[-1] for _ in range(2)]
    assert [end.rpartition("tiny-monitoring: ")[2] for end in ends] == ["watch, 2 new images", "ok, 0 new images"]
    assert json.loads((output / "drift.json").read_text())["images"] == 0
    assert "no new images" in (output / "drift.html").read_text()
    for since in ("last", "2999-01-01"):
        alone = monitor(medweave, trained, folder, output, "--since", since)
        assert (alone.status, alone.err.splitlines()[-1].endswith("ok: nothing new")) == (0, True)
        assert json.loads((output / "drift.json").read_text())["verdict"]["notes"] == ["no new images"]
    (folder / "broken.png").write_bytes(b"no image")
    broken = monitor(medweave, trained, folder, output, "--since", "last")
    assert broken.status == 2
    assert f"{folder}: none of the 1 images can be read" in broken.err.splitlines()[-1]


def test_an_output_that_cannot_be_written_is_refused_before_the_batch_is_kept(
    trained, medweave, new_images, tmp_path, session_home
):
    (tmp_path / "file").write_text("")
    kept = sorted((session_home / "monitoring").rglob("batch.json"))
    ended = monitor(medweave, trained, new_images[1], tmp_path / "file")
    assert ended.status == 2
    assert ended.err == f"medweave: {tmp_path / 'file'}: cannot be written (File exists); choose another --output\n"
    assert sorted((session_home / "monitoring").rglob("batch.json")) == kept


def test_what_cannot_be_a_batch_is_refused_in_one_line(trained, medweave, new_images, tmp_path):
    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.mkdir()
    other.mkdir()
    cv2.imwrite(str(other / "another.png"), np.zeros((64, 64), np.uint8))
    for images, more, told in (
        (empty, (), "no images here"),
        (empty, ("--since", "last"), "no images here"),
        (tmp_path / "absent", (), "no such folder"),
        (empty, ("--since", "yesterday"), "--since yesterday: is no time"),
        (new_images[0], ("--labels", other), f"{other}: no mask is named like an image of the batch"),
    ):
        ended = monitor(medweave, trained, images, tmp_path / "out", *more)
        assert ended.status == 2
        assert told in ended.err.splitlines()[-1]
