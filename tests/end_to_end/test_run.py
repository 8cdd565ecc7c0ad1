"""A run from the command line to its results, and what a second one reuses."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from zenml.client import Client
from zenml.enums import ExecutionStatus

from medweave.data.masks import read_mask
from pipelines.references import settings_of
from pipelines.store import artifact, find_run

EXPENSIVE = (
    "validate",
    "train_coarse",
    "label_gold",
    "label_unlabeled",
    "check_labels",
    "train_baseline",
    "train_final",
)
METRICS = {"dice", "iou", "nsd", "hd95"}


def statuses(summary):
    run = Client().get_pipeline_run(summary["run_id"])
    return {name: step.status for name, step in run.steps.items()}


def test_the_summary_keeps_its_contract(trained):
    summary = trained.summary
    assert summary["status"] == "completed"
    assert summary["data"] == {"gold": 8, "unlabeled": 6, "synthetic": 0, "test": 6, "rejected": 0}
    assert summary["warnings"] == 0
    weak = summary["labels"]["weak"]
    assert weak["made"] == weak["accepted"] + weak["review"] + weak["rejected"] <= 6
    assert summary["labels"]["synthetic"] == {"made": 0, "accepted": 0, "review": 0, "rejected": 0}
    for model in ("gold_only", "final"):
        values = summary["test"][model]
        assert set(values) == METRICS | {"empty_rate"}
        for metric in METRICS:
            low, high = values[metric]["ci95"]
            assert low <= values[metric]["mean"] <= high
    gain = summary["test"]["final"]["dice"]["mean"] - summary["test"]["gold_only"]["dice"]["mean"]
    assert summary["delta"]["dice"]["mean"] == pytest.approx(gain, abs=1e-9)
    assert summary["model"]["name"] == "medweave-tiny"
    assert summary["model"]["version"] == 1
    assert isinstance(summary["model"]["promoted"], bool)
    assert summary["model"]["reason"]
    assert summary["seconds"]["total"] > summary["seconds"]["label"] > 0
    assert summary["peak_rss_mb"] > 100
    assert re.fullmatch(r"[0-9a-f]{64}", summary["config_digest"])
    assert (trained.output / summary["report"]).read_text().lstrip().startswith("<!")


def test_zenml_has_every_step_of_the_run(trained):
    assert set(statuses(trained.summary).values()) == {ExecutionStatus.COMPLETED}
    assert set(statuses(trained.summary)) > {*EXPENSIVE, "ingest", "evaluate", "register", "promote", "report"}


def test_mlflow_has_parameters_curves_metrics_datasets_report_and_model(trained):
    from medweave.config import Tracking
    from medweave.tracking import connect

    client = connect(Tracking())
    version = client.get_model_version("medweave-tiny", "1")
    run = client.get_run(version.run_id)
    assert run.data.params["segmentation.coarse_steps"] == "4"
    assert run.data.metrics["test/final/dice"] == trained.summary["test"]["final"]["dice"]["mean"]
    assert client.get_metric_history(version.run_id, "final 1/1 loss")
    assert client.get_metric_history(version.run_id, "out-of-fold Dice")
    contexts = {tag.value for dataset in run.inputs.dataset_inputs for tag in dataset.tags}
    assert {"gold", "weak", "test"} <= contexts
    files = {file.path for file in client.list_artifacts(version.run_id)}
    assert files == {
        "config.yaml", "lineage", "model_card.html", "model_card.md", "packages.txt", "plots", "report.html", "scores",
    }  # fmt: skip
    assert run.data.tags["zenml_run_id"] == trained.summary["run_id"]
    assert run.data.metrics["system/cpu_utilization_percentage"] >= 0
    assert {dataset.dataset.name for dataset in run.inputs.dataset_inputs if dataset.dataset.schema}
    models = {client.get_logged_model(output.model_id).name for output in run.outputs.model_outputs}
    assert models == {"coarse", "gold_only", "final"}


def test_zenml_and_mlflow_name_each_other(trained):
    from medweave.config import Tracking
    from medweave.tracking import connect

    version = connect(Tracking()).get_model_version("medweave-tiny", "1")
    found = Client().get_model_version("medweave-tiny", version.tags["zenml_model_version"].partition("/")[2])
    assert version.tags["zenml_model_version"] == f"medweave-tiny/{found.number}"
    assert found.run_metadata["mlflow_run_id"] == version.run_id
    assert found.run_metadata["mlflow_model"] == "models:/medweave-tiny/1"
    assert found.run_metadata["labels"]["gold"]["learned"] == 8
    assert "gold labels" in {tag.name for tag in found.tags}
    assert {"final", "baseline", "coarse", "weak", "test"} <= set(found.model_artifacts) | set(found.data_artifacts)


def test_lineage_of_the_run_is_that_of_its_labels(trained, medweave):
    ended = medweave("lineage", "models:/medweave-tiny/1", "--json")
    assert ended.status == 0
    found = json.loads(ended.out)
    labels = found["facts"]["labels"]
    assert labels["gold"] == {"made": 8, "learned": 8, "weight": 8.0}
    weak = trained.summary["labels"]["weak"]
    assert (labels["weak"]["made"], labels["weak"]["learned"]) == (weak["made"], weak["accepted"])
    assert found["facts"]["zenml_run_id"] == trained.summary["run_id"]
    of_run = json.loads(medweave("lineage", f"run:{trained.summary['run_id']}", "--json").out)
    assert of_run == {**found, "reference": f"run:{trained.summary['run_id']}"}
    label = artifact(Client().get_pipeline_run(trained.summary["run_id"]), "check_labels", "weak").shard(0)[0]
    traced = json.loads(medweave("lineage", f"label:{label.label_id}", "--json").out)
    assert 1 in [use["version"] for use in traced["uses"]]
    assert traced["labels"][0]["image_id"] == label.image_id
    assert medweave("lineage", "label:never-was").status == 2


@pytest.mark.parametrize(
    "what", [("diff", "run:latest", "run:latest"), ("image:a",), ("label:a",), ("labeler:a",)], ids=lambda what: what[0]
)
def test_labels_are_written_of_one_model_only(medweave, tmp_path, what):
    ended = medweave("lineage", *what, "--csv", tmp_path / "labels.csv")
    assert (ended.status, ended.out, list(tmp_path.iterdir())) == (2, "", [])
    assert ended.err.startswith("medweave: --csv: writes the labels of one model; give ")


@pytest.mark.parametrize("command", [("lineage", "run:latest", "--csv"), ("export", "--model", "run:latest", "--to")])
@pytest.mark.parametrize("path", [".", "/"])
def test_a_folder_is_no_file_to_write(trained, medweave, command, path):
    ended = medweave(*command, path)
    assert ended.status == 2
    assert ended.err == f"medweave: {path}: cannot be written (Is a directory); choose another file\n"


def test_the_same_run_again_reuses_all_that_is_expensive(trained, medweave, tmp_path):
    ended = medweave("run", "--config", trained.config, "--output", tmp_path)
    assert ended.status == 0
    again = json.loads((tmp_path / "summary.json").read_text())
    found = statuses(again)
    assert {found[name] for name in EXPENSIVE} == {ExecutionStatus.CACHED}
    assert again["model"]["version"] == 1
    assert again["test"] == trained.summary["test"]
    assert again["labels"] == trained.summary["labels"]


def test_a_run_keeps_where_its_images_are_for_commands_given_elsewhere(
    trained, task_folder, medweave, monkeypatch, tmp_path
):
    monkeypatch.chdir(task_folder.parent)
    run = ("run", "--config", trained.config, "--set", f"data.root={task_folder.name}", "--output", tmp_path / "out")
    assert medweave(*run).status == 0
    monkeypatch.chdir(tmp_path)
    assert settings_of(find_run("run:latest")).data.root == str(task_folder)


def test_another_margin_of_promotion_trains_nothing_again(trained, medweave, tmp_path):
    ended = medweave("run", "--config", trained.config, "--output", tmp_path, "--set", "promotion.margin=0.5")
    assert ended.status == 0
    found = statuses(json.loads((tmp_path / "summary.json").read_text()))
    assert {found[name] for name in EXPENSIVE} == {ExecutionStatus.CACHED}


def test_another_labeler_labels_again_but_keeps_the_coarse_model(trained, medweave, tmp_path):
    ended = medweave("run", "--config", trained.config, "--output", tmp_path, "--set", "labeling.labeler=ellipse")
    assert ended.status == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    found = statuses(summary)
    assert found["train_coarse"] == found["train_baseline"] == ExecutionStatus.CACHED
    assert found["label_unlabeled"] == ExecutionStatus.COMPLETED


def test_masks_of_a_second_opinion_stand_beside_the_labels_and_the_better_ones_are_kept(
    trained, medweave, task_folder, tmp_path
):
    names = sorted(path.name for path in (task_folder / "unlabeled/images").iterdir())
    (tmp_path / "masks").mkdir()
    y, x = np.mgrid[:64, :64]
    disc = ((y - 32) ** 2 + (x - 32) ** 2 < 100).astype(np.uint8) * 255
    for name in names[:3]:
        Image.fromarray(disc).save(tmp_path / "masks" / name)
    ended = medweave(
        "run", "--config", trained.config, "--output", tmp_path / "out",
        "--set", f"labeling.second_opinion={tmp_path / 'masks'}",
    )  # fmt: skip
    assert ended.status == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert statuses(summary)["train_coarse"] == ExecutionStatus.CACHED
    run = Client().get_pipeline_run(summary["run_id"])
    second = {row.image_id: row for row in artifact(run, "second_opinion", "second_labels")}
    assert sorted(f"{name}.png" for name, row in second.items() if row.mask) == names[:3]
    weak = {row.image_id: row for row in artifact(run, "check_labels", "weak")}
    alone = Client().get_pipeline_run(trained.summary["run_id"])
    for before in artifact(alone, "check_labels", "weak"):
        row = weak[before.image_id]
        if f"{row.image_id}.png" in names[3:]:
            assert row == before
            continue
        if before.mask:
            drawn, found = disc > 0, read_mask(before.mask, 1, 64 * 64) > 0
            alike = 2 * (drawn & found).sum() / (drawn.sum() + found.sum())
            assert row.features["second_opinion"] == pytest.approx(alike)
        if row.made_by["labeler"] == "imported":
            assert row.decision == "review" or not before.mask or row.predicted_dice > before.predicted_dice
        else:
            assert row.label_id == before.label_id
    assert summary["labels"]["weak"]["made"] == 6


def test_a_second_opinion_that_is_not_there_stops_the_run_before_anything_is_trained(trained, medweave, tmp_path):
    ended = medweave(
        "run", "--config", trained.config, "--output", tmp_path, "--set", "labeling.second_opinion=nowhere"
    )
    assert ended.status == 2
    assert "labeling.second_opinion=nowhere: " in ended.err.splitlines()[-1]


def test_a_second_round_prompts_by_a_model_that_learned_from_the_first_ones_labels(trained, medweave, tmp_path):
    ended = medweave(
        "run", "--config", trained.config, "--output", tmp_path,
        "--set", "labeling.rounds=2", "--set", "evaluation.ablation=true",
    )  # fmt: skip
    assert ended.status == 0
    run = Client().get_pipeline_run(json.loads((tmp_path / "summary.json").read_text())["run_id"])
    first, second = (artifact(run, name, "coarse") for name in ("train_coarse_round_1", "train_coarse"))
    assert first.digest != second.digest
    taught = [row.group_id for row in artifact(run, "check_labels_round_1", "weak") if row.decision == "accept"]
    assert taught
    assert all(first.unseen_member(group) is None and second.unseen_member(group) is not None for group in taught)
    judge = {name: run.steps[name].inputs["coarse"][0].id for name in ("train_baseline", "train_final")}
    assert judge["train_baseline"] == run.steps["train_coarse_round_1"].outputs["coarse"][0].id  # knows of gold alone
    assert judge["train_final"] == run.steps["train_coarse"].outputs["coarse"][0].id
    assert (
        artifact(run, "label_unlabeled_round_1", "labels").digest != artifact(run, "label_unlabeled", "labels").digest
    )
    ablation = artifact(run, "ablate", "ablation")
    assert "without weak labels" in [part["name"] for part in ablation]
    assert "What each part of the training is worth" in (tmp_path / "report.html").read_text()
    assert "What each part of the training is worth" not in (trained.output / "report.html").read_text()


def test_nothing_is_said_but_progress_and_the_result(medweave, trained, tmp_path):
    ended = medweave("run", "--config", trained.config, "--output", tmp_path)
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert ended.err.splitlines()[-1] == f"report: {tmp_path / 'report.html'}"
    assert medweave("run", "--config", trained.config, "--output", tmp_path, "--quiet").err == ""


def test_predictions_have_the_images_names_and_sizes(trained, task_folder, medweave, tmp_path):
    for number, reference in enumerate(("run:latest", f"run:{trained.summary['run_id']}", "models:/medweave-tiny/1")):
        folder = tmp_path / str(number)
        ended = medweave("predict", "--model", reference, "--images", task_folder / "test/images", "--output", folder)
        assert ended.status == 0
        images = sorted((task_folder / "test/images").iterdir())
        assert [path.name for path in sorted(folder.iterdir())] == [path.name for path in images]
        for image in images:
            mask = Image.open(folder / image.name)
            assert mask.size == Image.open(image).size
            assert set(mask.tobytes()) <= {0, 255}


def test_evaluate_agrees_with_the_run(trained, task_folder, medweave, tmp_path):
    medweave("predict", "--model", f"run:{trained.summary['run_id']}", "--images", task_folder / "test/images",
             "--output", tmp_path / "p")  # fmt: skip
    ended = medweave("evaluate", "--predictions", tmp_path / "p", "--masks", task_folder / "test/masks", "--json")
    assert ended.status == 0
    found = json.loads(ended.out)
    assert found["images"] == 6
    assert found["dice"]["mean"] == pytest.approx(trained.summary["test"]["final"]["dice"]["mean"])
    shown = medweave("evaluate", "--predictions", tmp_path / "p", "--masks", task_folder / "test/masks")
    assert f"Dice           {found['dice']['mean']:.4f}" in shown.out


def test_labels_are_exported(trained, medweave, tmp_path):
    import csv

    made = trained.summary["labels"]["weak"]["made"]
    reference = f"run:{trained.summary['run_id']}"
    assert medweave("labels", "export", "--run", reference, "--to", tmp_path / "png").status == 0
    assert len(list((tmp_path / "png" / "masks").iterdir())) == made
    with (tmp_path / "png" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"image_id", "label_source", "decision", "predicted_dice", "low", "high", "labeler"} <= set(rows[0])
    assert len(rows) == 6
    assert sum(row["label_source"] == "weak" for row in rows) == made
    ended = medweave("labels", "export", "--run", reference, "--to", tmp_path / "coco", "--format", "coco")
    assert ended.status == 0
    assert len(json.loads((tmp_path / "coco" / "annotations.json").read_text())["images"]) in (6, made)


def test_two_classes_go_through_the_whole_chain(task_folder, config, medweave, tmp_path):
    import shutil

    import cv2

    folder = shutil.copytree(task_folder, tmp_path / "task")
    for path in [*folder.glob("gold/masks/*"), *folder.glob("test/masks/*")]:
        mask = cv2.imread(str(path), 0) // 255
        columns = mask.any(axis=0).nonzero()[0]
        mask[:, columns[len(columns) // 2] :] *= 2  # the right half is another class
        cv2.imwrite(str(path), mask)
    ended = medweave(
        "run", "--config", config, "--output", tmp_path / "out", "--set", f"data.root={folder}",
        "--set", "data.classes=[left, right]", "--set", "labeling.labeler=ellipse", "--set", "task=two",
        "--set", "segmentation.coarse_steps=30", "--set", "segmentation.learning_rate=0.01",
    )  # fmt: skip
    assert ended.status == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["model"]["name"] == "medweave-two"
    images = folder / "test/images"
    assert medweave("predict", "--model", "run:latest", "--images", images, "--output", tmp_path / "p").status == 0
    values = {int(value) for path in (tmp_path / "p").iterdir() for value in np.unique(cv2.imread(str(path), 0))}
    assert values <= {0, 1, 2}
    scored = medweave("evaluate", "--predictions", tmp_path / "p", "--masks", folder / "test/masks", "--classes", 2)
    assert f"{summary['test']['final']['dice']['mean']:.4f}" in scored.out
    assert "Dice, class 1" in scored.out and "Dice, class 2" in scored.out
    left, right = (found["dice"]["mean"] for found in summary["test"]["final"]["by_class"])
    assert f"{left:.4f}" in scored.out and f"{right:.4f}" in scored.out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Dice of left" in page and "Dice of right" in page


def test_doctor_finds_all_in_order(medweave):
    ended = medweave("doctor")
    assert ended.status == 0
    assert "missing" not in ended.out
    assert "mlflow store" in ended.out
