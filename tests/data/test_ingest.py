import hashlib
import os
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from medweave import config
from medweave.data.ingest import ingest
from medweave.data.masks import read_mask
from medweave.errors import InputError


def run(task, folder, **data):
    return ingest(config.Data(root=str(task.root), **data), 0, folder, shard_rows=3)


def test_tables_hold_what_the_files_hold(task, tmp_path):
    result = run(task, tmp_path / "out")
    assert {name: len(table) for name, table in result.tables.items()} == {"gold": 5, "unlabeled": 4, "test": 5}
    row = next(iter(result.tables["gold"]))
    data = (task.root / "gold/images/g0.png").read_bytes()
    assert (row.image_id, row.group_id, row.height, row.width) == ("g0", "g0", 64, 64)
    assert row.image_uri == str(task.root / "gold/images/g0.png")
    assert row.image_sha256 == hashlib.sha256(data).hexdigest()
    assert row.label_source == "gold" and row.made_by == {"labeler": "expert"} and len(row.label_id or "") == 24
    assert np.array_equal(read_mask(row.mask, 1, 10_000), task.square() // 255)
    pixels = np.asarray(Image.open(task.root / "gold/images/g0.png"))
    assert row.features == pytest.approx(
        {"intensity_mean": pixels.mean(), "intensity_std": pixels.std(), "foreground_share": 0.25, "components": 1}
    )
    unlabeled = next(iter(result.tables["unlabeled"]))
    assert unlabeled.label_source == "none" and set(unlabeled.features) == {"intensity_mean", "intensity_std"}
    assert len(list((tmp_path / "out/gold").glob("shard-*"))) == 2


def test_the_same_files_give_the_same_digests(task, tmp_path):
    first, second = run(task, tmp_path / "a"), run(task, tmp_path / "b")
    assert first.inventory.digest == second.inventory.digest
    assert all(first.tables[name].digest == second.tables[name].digest for name in first.tables)
    task.add("gold/images/g0.png")
    third = run(task, tmp_path / "c")
    assert third.inventory.digest != first.inventory.digest
    assert third.tables["gold"].digest != first.tables["gold"].digest
    assert third.tables["test"].digest == first.tables["test"].digest


def test_what_cannot_be_used_is_set_aside(task, tmp_path):
    (task.root / "unlabeled/images/u1.png").write_bytes(b"")
    (task.root / "unlabeled/images/u2.png").write_text("not an image")
    (task.root / "gold/masks/g3.png").unlink()
    result = run(task, tmp_path / "out")
    assert [row.image_id for row in result.tables["unlabeled"]] == ["u0", "u3"]
    assert [row.image_id for row in result.tables["gold"]] == ["g0", "g1", "g2", "g4"]
    errors = {row.image_id: row.error for row in result.inventory if row.error}
    assert set(errors) == {"u1", "u2"} and all("\n" not in error for error in errors.values())


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are always UTF-8 there")
def test_a_file_whose_name_is_not_utf8_is_named(task, tmp_path):
    folder = task.root / "unlabeled/images"
    shutil.copy(folder / "u1.png", folder / os.fsdecode(b"scan \xe4.png"))
    with pytest.raises(InputError) as refused:
        run(task, tmp_path / "out")
    assert str(refused.value) == f"{folder}/scan \\xe4.png: the name is not UTF-8; rename the file"


def test_duplicates_in_training_share_the_first_group(task, tmp_path):
    original = task.add("unlabeled/images/a.png")
    shutil.copy(original, task.root / "gold/images/g4.png")
    pixels = np.asarray(Image.open(original))
    near = np.asarray(Image.fromarray(pixels).resize((90, 80))) * 0.9 + 20
    task.add("unlabeled/images/z.png", near.astype(np.uint8))
    task.add("test/images/t0.png", pixels)
    rows = {row.key: row for row in run(task, tmp_path / "out").inventory}
    assert [rows[key].group_id for key in ("gold:g4", "unlabeled:a", "unlabeled:z")] == ["a"] * 3
    assert rows["test:t0"].group_id == "t0" and rows["gold:g0"].group_id == "g0"
    assert rows["gold:g4"].duplicate_of == ("test:t0", "unlabeled:a")
    assert rows["gold:g4"].near_duplicate_of == ("unlabeled:z",)
    assert rows["unlabeled:z"].near_duplicate_of == ("gold:g4", "test:t0", "unlabeled:a")


def test_duplicates_in_test_share_a_group_that_training_has_no_part_in(task, tmp_path):
    (task.root / "groups.csv").write_text("image_id,group_id\nt0,p9\nt2,p3\nt3,p3\nu0,p3\nu1,p1\n")
    pixels = task.texture(77)
    for name in ("test/images/t0", "test/images/t1", "test/images/t2", "unlabeled/images/u1", "gold/images/g0"):
        task.add(f"{name}.png", (pixels * 0.9 + 20).astype(np.uint8) if name.endswith("t2") else pixels)
    result = run(task, tmp_path / "out")
    groups = {row.key: row.group_id for row in result.inventory}
    assert [groups[f"test:t{k}"] for k in range(5)] == ["p3", "p3", "p3", "p3", "t4"]
    assert [groups[key] for key in ("gold:g0", "unlabeled:u1", "unlabeled:u0")] == ["g0", "g0", "p3"]
    assert [row.group_id for row in result.tables["test"]] == ["p3", "p3", "p3", "p3", "t4"]


def test_of_many_equal_images_each_names_the_next_ones(task, tmp_path):
    pixels = task.texture(77)
    for k in range(14):
        task.add(f"unlabeled/images/a{k:02d}.png", pixels)
    task.add("gold/images/g0.png", pixels)
    task.add("test/images/t0.png", pixels)
    task.add("test/images/t1.png", (pixels * 0.9 + 20).astype(np.uint8))
    rows = {row.key: row for row in run(task, tmp_path / "out").inventory}

    def named(*places):
        return tuple(f"unlabeled:a{k:02d}" for k in places)

    assert {rows[key].group_id for key in (*named(*range(14)), "gold:g0")} == {"a00"}
    assert rows["gold:g0"].duplicate_of == ("test:t0", *named(*range(11)))
    assert rows["unlabeled:a05"].duplicate_of == ("gold:g0", "test:t0", *named(0, 1, *range(6, 14)))
    assert rows["test:t0"].duplicate_of == named(*range(11))
    assert rows["test:t1"].near_duplicate_of == ("test:t0", *named(*range(11)))
    assert rows["unlabeled:a13"].near_duplicate_of == ("test:t1",)


def test_equal_black_images_are_duplicates(task, tmp_path):
    for name in ("black", "dark"):
        task.add(f"unlabeled/images/{name}.png", np.zeros((64, 64), np.uint8))
    rows = {row.key: row for row in run(task, tmp_path / "out").inventory}
    assert rows["unlabeled:dark"].duplicate_of == ("unlabeled:black",)
    assert rows["unlabeled:dark"].group_id == "black" and rows["unlabeled:dark"].phash is None


def test_object_storage(task, bucket, tmp_path):
    import fsspec

    fsspec.filesystem("s3").put(f"{task.root}/", "hospital/busi/", recursive=True)
    stored = ingest(config.Data(root=f"{bucket}/busi"), 0, tmp_path / "s3")
    local = run(task, tmp_path / "local")
    gold = list(stored.tables["gold"])
    assert gold[0].image_uri == "s3://hospital/busi/gold/images/g0.png"
    assert [row.image_sha256 for row in gold] == [row.image_sha256 for row in local.tables["gold"]]
    assert read_mask(gold[0].mask, 1, 10_000).sum() == 32 * 32


def test_phantoms_are_made_once_and_again_for_another_seed(tmp_path):
    data = config.Data(phantoms=config.Phantoms(size=64, gold=4, unlabeled=2, test=4))
    first = ingest(data, 1, tmp_path / "a", cache=tmp_path / "cache")
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.png")}
    again = ingest(data, 1, tmp_path / "b", cache=tmp_path / "cache")
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.png")} == made
    assert first.inventory.digest == again.inventory.digest
    assert first.inventory.counts()["gold"] == {"found": 4, "usable": 4, "set_aside": 0}
    other = ingest(data, 2, tmp_path / "c", cache=tmp_path / "cache")
    assert other.inventory.digest != first.inventory.digest
    assert len([*(tmp_path / "cache").iterdir()]) == 2
