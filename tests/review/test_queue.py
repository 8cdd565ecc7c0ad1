"""A queue goes out and comes back: what is written, what counts as corrected, and what is refused."""

import csv
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from PIL import Image

from medweave import config
from medweave.data.corrections import store_of
from medweave.data.ingest import ingest
from medweave.data.masks import encode_mask, read_mask
from medweave.data.table import ImageRow, MaskRef, write_table
from medweave.errors import InputError
from medweave.review import import_corrections, write_queue

NOON = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)


def texture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(20, 230, (8, 8), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((40, 32), Image.Resampling.BICUBIC))


def square(y: int, x: int, side: int = 8) -> np.ndarray:
    mask = np.zeros((32, 40), np.uint8)
    mask[y : y + side, x : x + side] = 1
    return mask


@pytest.fixture
def data(tmp_path) -> config.Data:
    """A task with two gold, four unlabeled and two test images."""
    for number, (split, name) in enumerate(
        [("gold", "g0"), ("gold", "g1"), *(("unlabeled", f"u{k}") for k in range(4)), ("test", "t0"), ("test", "t1")]
    ):
        for part in ("images", "masks"):
            (tmp_path / "task" / split / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(texture(number)).save(tmp_path / "task" / split / "images" / f"{name}.png")
        if split != "unlabeled":
            Image.fromarray(square(4, 4) * 255).save(tmp_path / "task" / split / "masks" / f"{name}.png")
    return config.Data(root=str(tmp_path / "task"), corrections="corrections", classes=("lesion",))


@pytest.fixture
def labels(data, tmp_path):
    """Checked labels of the unlabeled images; u3 has none."""
    unlabeled = list(ingest(data, 0, tmp_path / "ingested").tables["unlabeled"])
    rows: list[ImageRow] = []
    for number, row in enumerate(unlabeled[:3]):
        made = row.with_label("weak", MaskRef(png=encode_mask(square(2 * number, 3))), {"labeler": "compact"})
        rows.append(ImageRow(**{**vars(made), "predicted_dice": 0.5, "low": 0.25, "high": 0.75, "decision": "review"}))
    rows.append(ImageRow(**{**vars(unlabeled[3]), "decision": "reject", "made_by": {"missing": "nothing was seen"}}))
    return write_table(tmp_path / "labels", rows)


@pytest.fixture
def queue(labels, data, tmp_path):
    folder = tmp_path / "queue"
    assert write_queue(labels, data, "tiny", "run-1", folder, 20) == 4
    return folder


def paint(queue, image_id: str, mask: np.ndarray) -> None:
    Image.fromarray(mask * np.uint8(255)).save(queue / "masks" / f"{image_id}.png")


def bring(queue, by="anna", format_="png", when=NOON, everything=False):
    return import_corrections(queue, format_, by, when, everything)


def in_force(data) -> dict[str, dict]:
    return {kept.correction.image_id: kept for kept in store_of(data, "tiny").current().values()}


def test_the_folder_has_what_tools_open(queue, labels):
    names = sorted(str(path.relative_to(queue)) for path in queue.rglob("*") if path.is_file())
    ids = ("u0", "u1", "u2", "u3")
    assert names == sorted(
        ["annotations.json", "queue.csv", "queue.json", "review.html"]
        + [f"{part}/{name}.png" for part in ("images", "masks") for name in ids]
    )
    shown = np.asarray(Image.open(queue / "images" / "u1.png"))
    np.testing.assert_array_equal(shown, np.repeat(texture(3)[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(np.asarray(Image.open(queue / "masks" / "u1.png")), square(2, 3) * 255)
    assert not np.asarray(Image.open(queue / "masks" / "u3.png")).any()
    coco = json.loads((queue / "annotations.json").read_text())
    assert {image["file_name"]: (image["height"], image["width"]) for image in coco["images"]} == {
        f"{name}.png": (32, 40) for name in ids
    }
    assert len(coco["annotations"]) == 3
    with (queue / "queue.csv").open(newline="") as file:
        rows = {row["image_id"]: row for row in csv.DictReader(file)}
    assert list(rows["u0"]) == ["image_id", "rank", "why", "predicted_dice", "low", "high", "decision"]
    assert {row["rank"] for row in rows.values()} == {"1", "2", "3", "4"}
    assert rows["u3"]["why"].startswith("no label: nothing was seen; stands for")
    assert (rows["u0"]["predicted_dice"], rows["u0"]["low"], rows["u0"]["decision"]) == ("0.5", "0.25", "review")
    page = (queue / "review.html").read_text()
    assert page.count('class="case"') == 4 and "<script" not in page and "http" not in page.replace("http-equiv", "")


def test_a_corrected_mask_is_gold_in_the_next_run(queue, labels, data, tmp_path):
    paint(queue, "u1", square(10, 20))
    imported = bring(queue)
    assert (imported.added, imported.known, imported.unchanged) == (1, 0, 3)
    next_run = ingest(data, 0, tmp_path / "next", corrections=store_of(data, "tiny"))
    assert {name: len(table) for name, table in next_run.tables.items()} == {"gold": 3, "unlabeled": 3, "test": 2}
    assert next_run.inventory.counts()["gold"] == {"found": 3, "usable": 3, "set_aside": 0}
    corrected = next(row for row in next_run.tables["gold"] if row.image_id == "u1")
    proposed = next(row for row in labels if row.image_id == "u1")
    np.testing.assert_array_equal(read_mask(corrected.mask, 1, 10_000), square(10, 20))
    assert corrected.made_by == {
        "labeler": "expert",
        "by": "anna",
        "when": "2030-01-02T12:00:00+00:00",
        "correction": in_force(data)["u1"].correction.id,
        "replaces": proposed.label_id,
    }
    assert corrected.label_source == "gold" and corrected.group_id == proposed.group_id
    assert corrected.features["foreground_share"] == 64 / (32 * 40)


def test_what_was_replaced_is_kept(queue, data):
    paint(queue, "u1", square(10, 20))
    bring(queue, when=datetime(2030, 1, 2, 14, 0, tzinfo=timezone(timedelta(hours=2))))
    replaced = in_force(data)["u1"].correction.replaces
    masks = store_of(data, "tiny").location + "/masks"
    np.testing.assert_array_equal(np.asarray(Image.open(f"{masks}/{replaced.mask_sha256}.png")), square(2, 3) * 255)
    assert replaced.made_by == {"labeler": "compact"} and len(replaced.label_id or "") == 24
    assert in_force(data)["u1"].correction.when == "2030-01-02T12:00:00+00:00"


def test_the_same_correction_twice_adds_nothing(queue, data):
    paint(queue, "u1", square(10, 20))
    bring(queue)
    folder = store_of(data, "tiny").location
    before = {path: path.stat().st_mtime_ns for path in _files(folder)}
    again = bring(queue, when=NOON + timedelta(days=1))
    assert (again.added, again.known) == (0, 1)
    assert "imported before: 1, nothing was added" in again.told()
    assert {path: path.stat().st_mtime_ns for path in _files(folder)} == before


def _files(folder):
    from pathlib import Path

    return [path for path in Path(folder).rglob("*") if path.is_file()]


def test_a_later_correction_supersedes_and_an_earlier_one_can_come_back(queue, data):
    first, second = square(10, 20), square(12, 22)
    for mask in (first, second, first):
        paint(queue, "u1", mask)
        assert bring(queue).added == 1
    kept = in_force(data)["u1"]
    np.testing.assert_array_equal(read_mask(MaskRef(uri=kept.mask_uri), 1, 10_000), first)
    assert len([path for path in _files(store_of(data, "tiny").location) if path.suffix == ".json"]) == 3


def test_all_confirms_what_was_left_but_never_an_empty_mask(queue, data):
    imported = bring(queue, everything=True)
    assert (imported.added, imported.unchanged) == (3, 1)
    assert set(in_force(data)) == {"u0", "u1", "u2"}


def test_a_mask_that_is_not_there_was_not_reviewed(queue, data):
    (queue / "masks" / "u0.png").unlink()
    assert bring(queue, everything=True).added == 2
    assert set(in_force(data)) == {"u1", "u2"}


def test_coco_comes_back(queue, data):
    path = queue / "annotations.json"
    coco = json.loads(path.read_text())
    image = next(image["id"] for image in coco["images"] if image["file_name"] == "u3.png")
    polygon = [20, 10, 28, 10, 28, 18, 20, 18]
    coco["annotations"].append({"id": 99, "image_id": image, "category_id": 1, "segmentation": [polygon]})
    path.write_text(json.dumps(coco))
    imported = bring(queue, format_="coco")
    assert (imported.added, imported.unchanged) == (1, 3)
    kept = in_force(data)["u3"]
    np.testing.assert_array_equal(read_mask(MaskRef(uri=kept.mask_uri), 1, 10_000), square(10, 20))
    assert kept.correction.replaces.label_id is None


def test_a_box_in_place_of_an_outline_is_told_as_what_it_is(queue, data):
    path = queue / "annotations.json"
    coco = json.loads(path.read_text())
    numbers = {image["file_name"]: image["id"] for image in coco["images"]}
    for annotation in coco["annotations"]:
        if annotation["image_id"] == numbers["u1.png"]:
            del annotation["segmentation"]
    coco["annotations"] = [one for one in coco["annotations"] if one["image_id"] != numbers["u2.png"]]
    path.write_text(json.dumps(coco))
    with pytest.raises(InputError) as error:
        bring(queue, format_="coco")
    told = {line.partition(":")[0]: line for line in str(error.value).splitlines()[1:]}
    assert set(told) == {"u1", "u2"}
    assert told["u1"].startswith("u1: its annotation has a box but no outline, and gold has to show the structure;")
    assert told["u2"].startswith("u2: the corrected mask is empty,")


def test_the_page_is_true_of_labels_that_were_accepted(labels, data, tmp_path):
    sure = [replace(row, decision="accept", predicted_dice=1.0, low=1.0, high=1.0) for row in list(labels)[:3]]
    write_queue(write_table(tmp_path / "sure", sure), data, "tiny", "run-1", tmp_path / "sure queue", 20)
    page = (tmp_path / "sure queue" / "review.html").read_text()
    assert "accepted: " in page and "unsure" not in page and "found nothing" not in page


def test_a_correction_is_withdrawn_by_deleting_its_file(queue, labels, data, tmp_path):
    for mask in (square(10, 20), square(12, 22)):
        paint(queue, "u1", mask)
        bring(queue)
    first = in_force(data)["u1"].correction.supersedes
    store = tmp_path / "task/corrections"
    (store / f"{in_force(data)['u1'].correction.id}.json").unlink()
    assert in_force(data)["u1"].correction.id == first
    (store / f"{first}.json").unlink()
    assert in_force(data) == {}
    assert write_queue(labels, data, "tiny", "run-1", tmp_path / "again", 20) == 4
    found = ingest(data, 0, tmp_path / "next", corrections=store_of(data, "tiny"))
    assert "u1" in {row.image_id for row in found.tables["unlabeled"]}


def test_the_next_queue_leaves_out_what_is_corrected(queue, labels, data, tmp_path):
    paint(queue, "u1", square(10, 20))
    bring(queue)
    assert write_queue(labels, data, "tiny", "run-1", tmp_path / "again", 20) == 3
    assert not (tmp_path / "again" / "images" / "u1.png").exists()
    paint(queue, "u3", square(10, 20))
    bring(queue, everything=True)
    with pytest.raises(InputError, match="no image is left to review"):
        write_queue(labels, data, "tiny", "run-1", tmp_path / "third", 20)
    assert not (tmp_path / "third").exists()


def test_an_image_that_changed_since_the_run_is_not_sent_out(labels, data, tmp_path):
    changed = tmp_path / "task/unlabeled/images/u2.png"
    Image.fromarray(texture(99)).save(changed)
    with pytest.raises(InputError, match=rf"{changed}: has changed since the run that labelled it; run again"):
        write_queue(labels, data, "tiny", "run-1", tmp_path / "late", 20)
    assert not (tmp_path / "late").exists()


def test_everything_wrong_is_listed_and_nothing_is_imported(queue, data, tmp_path):
    paint(queue, "u0", square(10, 20))
    paint(queue, "stranger", square(1, 1))
    Image.fromarray(np.zeros((40, 32), np.uint8)).save(queue / "masks" / "u1.png")
    Image.fromarray(square(1, 1) * np.uint8(7)).save(queue / "masks" / "u2.png")
    (queue / "masks" / "u3.png").write_bytes(b"no image")
    with pytest.raises(InputError) as error:
        bring(queue)
    lines = str(error.value).splitlines()
    assert len(lines) == 5
    for told in (
        "masks/stranger.png: 'stranger' is no",
        "mask is 32x40 but its image is 40x32",
        "the values 7",
        "u3.png",
    ):
        assert any(told in line for line in lines)
    assert in_force(data) == {}


@pytest.mark.parametrize("spoil", ["source", "gone", "shown", "emptied", "by", "second"])
def test_each_other_reason_to_refuse(queue, data, tmp_path, spoil):
    paint(queue, "u0", square(10, 20))
    source = tmp_path / "task/unlabeled/images/u0.png"
    match spoil:
        case "source":
            Image.fromarray(texture(77)).save(source)
            told = "has changed since"
        case "gone":
            source.unlink()
            told = "no such file"
        case "shown":
            Image.fromarray(texture(77)).save(queue / "images/u0.png")
            told = "is not the image that was written"
        case "emptied":
            paint(queue, "u1", square(0, 0, 0))
            told = "u1: the corrected mask is empty"
        case "by":
            told = "is no name"
        case "second":
            shutil.copy(queue / "masks/u0.png", queue / "masks/u0.bmp")
            told = "second mask of 'u0'"
    with pytest.raises(InputError, match=told):
        bring(queue, by="" if spoil == "by" else "anna")
    assert in_force(data) == {}


def test_a_folder_that_is_no_queue(tmp_path, queue):
    with pytest.raises(InputError, match="is no review queue"):
        bring(tmp_path)
    (queue / "queue.json").write_text("{}")
    with pytest.raises(InputError, match="is damaged at"):
        bring(queue)


def test_a_test_image_with_a_correction_is_an_error(queue, data, tmp_path):
    from medweave.data.validation import validate

    paint(queue, "u1", square(10, 20))
    bring(queue)
    shutil.move(tmp_path / "task/unlabeled/images/u1.png", tmp_path / "task/test/images/u1.png")
    shutil.copy(tmp_path / "task/test/masks/t0.png", tmp_path / "task/test/masks/u1.png")
    found = ingest(data, 0, tmp_path / "next", corrections=store_of(data, "tiny"))
    assert {name: len(table) for name, table in found.tables.items()} == {"gold": 2, "unlabeled": 3, "test": 3}
    report = validate(found.inventory, data, config.Validation(min_gold=1, min_test=1))
    (error,) = report.errors
    assert error.file.endswith("test/images/u1.png") and "test data never becomes gold" in error.message


def test_a_damaged_store_is_told(queue, data, tmp_path):
    paint(queue, "u1", square(10, 20))
    bring(queue)
    (path,) = (tmp_path / "task/corrections").glob("*.json")
    path.write_text('{"by": "x"}')
    with pytest.raises(InputError, match=f"{path}: is no correction"):
        store_of(data, "tiny").current()


def test_a_store_may_be_any_uri(queue, data):
    from medweave.data.corrections import CorrectionStore

    paint(queue, "u1", square(10, 20))
    manifest = json.loads((queue / "queue.json").read_text())
    manifest["data"]["corrections"] = "memory://corrections/tiny"
    (queue / "queue.json").write_text(json.dumps(manifest))
    assert bring(queue).added == 1
    (kept,) = CorrectionStore("memory://corrections/tiny").current().values()
    np.testing.assert_array_equal(read_mask(MaskRef(uri=kept.mask_uri), 1, 10_000), square(10, 20))


def test_without_a_setting_the_store_is_in_medweaves_home(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "home"))
    assert store_of(config.Data(), "tiny").location == str(tmp_path / "home" / "corrections" / "tiny")
