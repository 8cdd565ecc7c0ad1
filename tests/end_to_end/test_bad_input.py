"""Bad input from the command line: one clear line, exit status 2, nothing half-written."""

import json
import os
import shutil
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from tests.end_to_end.conftest import TINY


@pytest.fixture
def own_task(task_folder, tmp_path) -> Path:
    """A copy of the task's folder that a test may spoil."""
    return Path(shutil.copytree(task_folder, tmp_path / "task"))


@pytest.fixture
def own_config(own_task, tmp_path, trained) -> Path:
    """The configuration of a task of its own, for runs after the first."""
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({**TINY, "task": "own", "data": {**TINY["data"], "root": str(own_task)}}))
    return path


def gold_image(folder: Path) -> Path:
    return sorted((folder / "gold/images").iterdir())[0]


def gold_mask(folder: Path) -> Path:
    return folder / "gold/masks" / gold_image(folder).name


def truncate(folder: Path) -> str:
    path = gold_image(folder)
    path.write_bytes(path.read_bytes()[:300])
    return path.name


def empty(folder: Path) -> str:
    gold_image(folder).write_bytes(b"")
    return gold_image(folder).name


def text(folder: Path) -> str:
    gold_image(folder).write_text("not an image")
    return gold_image(folder).name


def other_size(folder: Path) -> str:
    cv2.imwrite(str(gold_mask(folder)), np.full((10, 12), 255, np.uint8))
    return gold_mask(folder).name


def beyond_classes(folder: Path) -> str:
    mask = cv2.imread(str(gold_mask(folder)), 0)
    mask[0, 0] = 7
    cv2.imwrite(str(gold_mask(folder)), mask)
    return gold_mask(folder).name


def all_black(folder: Path) -> str:
    cv2.imwrite(str(gold_mask(folder)), np.zeros((64, 64), np.uint8))
    return gold_mask(folder).name


def without_mask(folder: Path) -> str:
    gold_mask(folder).unlink()
    return gold_image(folder).name


def without_image(folder: Path) -> str:
    name = gold_image(folder).name
    gold_image(folder).unlink()
    return name


def two_under_one_id(folder: Path) -> str:
    path = gold_image(folder)
    cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path)))
    return path.stem


def one_pixel(folder: Path) -> str:
    for path in (gold_image(folder), gold_mask(folder)):
        cv2.imwrite(str(path), np.full((1, 1), 255, np.uint8))
    return gold_image(folder).name


def huge(folder: Path) -> str:
    import struct
    import zlib

    head = b"IHDR" + struct.pack(">IIBBBBB", 20000, 20000, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    gold_image(folder).write_bytes(content)
    return gold_image(folder).name


def not_a_number(folder: Path) -> str:
    path = gold_image(folder)
    pixels = np.zeros((64, 64), np.float32)
    pixels[3, 4] = np.nan
    from PIL import Image

    path.unlink()
    Image.fromarray(pixels).save(path.with_suffix(".tiff"))
    return path.stem


def in_gold_and_test(folder: Path) -> str:
    path = gold_image(folder)
    shutil.copy(path, folder / "test/images/again.png")
    shutil.copy(gold_mask(folder), folder / "test/masks/again.png")
    return "again"


def no_pairs(folder: Path) -> str:
    for path in (folder / "gold/masks").iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    return gold_image(folder).name


def missing_folder(folder: Path) -> str:
    shutil.rmtree(folder / "gold/masks")
    return "gold/masks"


SPOILT = [
    truncate, empty, text, other_size, beyond_classes, all_black, without_mask, without_image, two_under_one_id,
    one_pixel, huge, not_a_number, in_gold_and_test, no_pairs, missing_folder,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_spoilt_data_ends_with_2_and_names_the_file(spoil, own_task, own_config, medweave, tmp_path):
    name = spoil(own_task)
    ended = medweave("run", "--config", own_config, "--output", tmp_path / "out")
    assert ended.status == 2
    told = [line for line in ended.err.splitlines() if not line.startswith("  ")]
    assert told[0].startswith("medweave: ")
    assert any(name in line for line in told)
    assert "Traceback" not in ended.err
    assert not (tmp_path / "out" / "summary.json").exists()
    if spoil is not missing_folder:
        assert name in (tmp_path / "out" / "validation.html").read_text()


def test_unlabeled_images_that_cannot_be_read_are_set_aside(own_task, own_config, medweave, tmp_path):
    (own_task / "unlabeled/images/broken.png").write_bytes(b"\x89PNG broken")
    ended = medweave("run", "--config", own_config, "--output", tmp_path / "out")
    assert ended.status == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["data"]["unlabeled"] == 6
    assert summary["data"]["rejected"] == 1
    assert f"{summary['warnings']} warnings about the data, see {tmp_path}/out/validation.html" in ended.err
    assert "broken.png" in (tmp_path / "out" / "report.html").read_text()
    assert "broken.png" in (tmp_path / "out" / "validation.html").read_text()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("labeling.labeler=medsan", ["medsan", "medsam"]),
        ("labeling.labeler=medsam", ["checkpoint"]),
        ("labeling.labeler=imported", ["labeling.imported"]),
        ("segmentation.encoder=resnet81", ["resnet81", "resnet18"]),
        ("segmentation.image_sze=64", ["segmentation.image_sze", "segmentation.image_size"]),
        ("synthesis={enabled: true, kind: latent}", ["synthesis.kind=latent", "synthesis.pretrained"]),
        ("data.root=/nowhere/at/all", ["/nowhere/at/all"]),
        ("tracking.uri=sqlite:////nowhere/mlflow.db", ["/nowhere"]),
    ],
)
def test_wrong_settings_end_with_2_before_anything_is_trained(config, medweave, tmp_path, override, words):
    ended = medweave("run", "--config", config, "--output", tmp_path, "--set", override)
    assert ended.status == 2
    last = ended.err.splitlines()[-1]
    assert last.startswith("medweave: ")
    assert all(word in last for word in words)
    assert "coarse fold" not in ended.err
    assert "Traceback" not in ended.err


def test_an_unreadable_checkpoint_is_named(config, medweave, tmp_path):
    checkpoint = tmp_path / "medsam_vit_b.pth"
    checkpoint.write_bytes(b"no weights")
    ended = medweave(
        "run", "--config", config, "--output", tmp_path, "--set", "labeling.labeler=medsam",
        "--set", f"labeling.checkpoint={checkpoint}",
    )  # fmt: skip
    assert ended.status == 2
    assert "medsam_vit_b.pth" in ended.err.splitlines()[-1]


def test_a_step_that_fails_shows_its_own_error_and_ends_with_1(config, medweave, tmp_path):
    ended = medweave(
        "run", "--config", config, "--output", tmp_path, "--set", "segmentation.learning_rate=1e30",
        "--set", "segmentation.clip_norm=1e30",
    )  # fmt: skip
    assert ended.status == 1
    assert ended.err.splitlines()[-1].startswith("medweave: step train_coarse: coarse fold 1/2: the loss is not finite")
    assert "Traceback" not in ended.err
    assert not (tmp_path / "summary.json").exists()


def test_an_output_that_cannot_be_written(config, medweave, tmp_path):
    (tmp_path / "file").write_text("")
    ended = medweave("run", "--config", config, "--output", tmp_path / "file")
    assert ended.status == 2
    assert ended.err.splitlines() == [
        f"medweave: {tmp_path / 'file'}: cannot be written (File exists); choose another --output"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_without_rights(config, medweave, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert medweave("run", "--config", config, "--output", tmp_path / "out").status == 2


@pytest.mark.parametrize("reference", ["run:none", "models:/nobody@champion", "models:/x", "elsewhere"])
def test_models_that_do_not_exist(medweave, task_folder, tmp_path, trained, reference):
    ended = medweave("predict", "--model", reference, "--images", task_folder / "test/images", "--output", tmp_path)
    assert ended.status == 2
    assert len(ended.err.splitlines()) == 1


def test_predict_writes_the_good_ones_and_names_the_bad(medweave, trained, own_task, tmp_path):
    images = own_task / "test/images"
    (images / "zzz.png").write_text("no image")
    ended = medweave("predict", "--model", "run:latest", "--images", images, "--output", tmp_path / "p")
    assert ended.status == 2
    assert "zzz.png" in ended.err.splitlines()[-1]
    assert len(list((tmp_path / "p").iterdir())) == 6


def test_evaluate_names_what_is_missing(medweave, task_folder, tmp_path):
    ended = medweave("evaluate", "--predictions", tmp_path / "no", "--masks", task_folder / "test/masks")
    assert ended.status == 2
    assert str(tmp_path / "no") in ended.err


def test_an_unknown_option_ends_with_2(medweave):
    assert medweave("run", "--confg", "x").status == 2


def test_a_machine_that_can_start_nothing_keeps_no_schedule(medweave, config, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = medweave("schedule", "--config", config, "--cron", "0 3 * * 0")
    assert ended.status == 2
    assert "neither systemd for users nor cron is on this machine" in ended.err
    assert medweave("schedule", "list").out == ""


def test_monitoring_is_not_scheduled_without_its_images(medweave, config, tmp_path):
    for options, told in (
        (["--labels", tmp_path], "--labels: are those of the images to monitor; give --images, too"),
        (["--images", tmp_path / "inbox"], f"{tmp_path}/inbox: no such folder; check the path"),
        (["--images", tmp_path, "--labels", tmp_path / "masks"], f"{tmp_path}/masks: no such folder; check the path"),
    ):
        ended = medweave("schedule", "--config", config, "--cron", "0 6 * * *", *options)
        assert (ended.status, ended.err.splitlines()[-1].endswith(told)) == (2, True), ended.err
    assert medweave("schedule", "list").out == ""
