"""Samples as files and rows; broken and repeated runs."""

import hashlib
import os
import resource
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from medweave.data import ImageTable
from medweave.data.images import read_image
from medweave.data.masks import decode_mask
from medweave.errors import InputError
from medweave.synthesis import Condition, sample_images, sample_part, train_generator


def files_of(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_rows_say_what_made_the_image_and_carry_its_mask(generator, conditions, make_settings, tmp_path):
    table = sample_images(generator, conditions, make_settings(), tmp_path, seed=7)
    rows = list(table)
    assert len(rows) == 5 and len({row.group_id for row in rows}) == 5
    for index, (row, condition) in enumerate(zip(rows, conditions, strict=True)):
        assert row.label_source == "synthetic" and row.label_id and row.decision is None
        assert (decode_mask(row.mask.png) == condition.mask).all()
        image = read_image(row.image_uri, 10_000)
        assert image.shape == (row.height, row.width) == (16, 16)
        assert row.features["intensity_mean"] == pytest.approx(image.mean())
        assert row.image_sha256 == hashlib.sha256(Path(row.image_uri).read_bytes()).hexdigest()
        assert len(row.made_by.pop("code")) == 64
        assert row.made_by == {
            "generator": generator.digest,
            "seed": 7,
            "index": index,
            "sampler": "dpm_solver",
            "steps": 3,
            "guidance": 2.0,
            "condition": {
                "mask": hashlib.sha256(row.mask.png).hexdigest(),
                "origin": list(condition.origin),
                "change": condition.change,
            },
        }


def test_free_images_have_no_mask(generator, make_settings, tmp_path):
    rows = list(sample_images(generator, 2, make_settings(), tmp_path, seed=0))
    assert [row.label_source for row in rows] == ["synthetic", "synthetic"]
    assert not any(row.mask for row in rows) and rows[0].made_by["condition"] is None
    assert rows[0].image_sha256 != rows[1].image_sha256


def test_more_images_begin_with_the_same_ones(generator, make_settings, tmp_path):
    few = sample_images(generator, 2, make_settings(), tmp_path / "few", seed=0)
    many = sample_images(generator, 3, make_settings(), tmp_path / "many", seed=0)
    for one, other in zip(few, many, strict=False):
        pixels = [read_image(row.image_uri, 10_000).astype(int) for row in (one, other)]
        assert np.abs(pixels[0] - pixels[1]).max() <= 1


def test_a_broken_run_goes_on_to_the_same_bytes(generator, conditions, make_settings, tmp_path):
    settings, folder = make_settings(shard_rows=2), tmp_path / "made"
    whole = sample_images(generator, conditions, settings, folder, seed=0)
    expected, digest = files_of(folder), whole.digest
    folder.rename(tmp_path / "aside")
    in_the_way = folder / f".shard-000001.parquet.{os.getpid()}.part"
    in_the_way.mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"):
        sample_images(generator, conditions, settings, folder, seed=0)
    assert (folder / "shard-000000.parquet").exists() and not (folder / "manifest.json").exists()
    in_the_way.rmdir()
    assert sample_images(generator, conditions, settings, folder, seed=0).digest == digest
    assert files_of(folder) == expected


def test_parts_make_the_same_images_between_them(generator, conditions, make_settings, tmp_path):
    settings = make_settings(shard_rows=2)
    whole = sample_images(generator, conditions, settings, tmp_path / "whole", seed=0)
    made = [sample_part(generator, conditions, settings, tmp_path / "parts", 0, part, 2) for part in (1, 0)]
    assert made == [2, 3]  # of three shards of 2, 2 and 1 the second, and the others
    with pytest.raises(InputError, match="no image table here"):
        len(ImageTable(tmp_path / "parts"))
    images = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts" / "images").iterdir()}
    gathered = sample_images(generator, conditions, settings, tmp_path / "parts", seed=0)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts" / "images").iterdir()} == images
    assert [row.image_sha256 for row in gathered] == [row.image_sha256 for row in whole]


def test_nodes_of_another_precision_go_on_with_the_same_samples(
    generator, conditions, make_settings, tmp_path, monkeypatch
):
    settings = make_settings(shard_rows=2)
    settings = settings.model_copy(update={"compute": settings.compute.model_copy(update={"precision": "auto"})})
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    made = sample_part(generator, conditions, settings, tmp_path, 7, 0, 2)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert 0 < made < len(sample_images(generator, conditions, settings, tmp_path, 7)) == len(conditions)


def test_a_finished_run_is_not_repeated(generator, conditions, make_settings, tmp_path):
    sample_images(generator, conditions, make_settings(), tmp_path, seed=0)
    image = next(iter((tmp_path / "images").iterdir()))
    image.write_bytes(b"untouched")
    sample_images(generator, conditions, make_settings(), tmp_path, seed=0)
    assert image.read_bytes() == b"untouched"


def test_a_full_disk_leaves_no_table(generator, conditions, make_settings, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sizes = [path.stat().st_size for path in _sampled(generator, conditions, make_settings(), tmp_path / "whole")]
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes) - 1, before[1]))
    try:
        with pytest.raises(InputError, match=r"cannot be written \(File too large\); free space"):
            sample_images(generator, conditions, make_settings(), tmp_path / "full", seed=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    with pytest.raises(InputError, match="no image table here"):
        len(ImageTable(tmp_path / "full"))
    assert len(sample_images(generator, conditions, make_settings(), tmp_path / "full", seed=0)) == 5


def _sampled(generator, conditions, settings, folder):
    sample_images(generator, conditions, settings, folder, seed=0)
    return [*folder.rglob("*.png"), folder / "recipe.json"]


@pytest.mark.parametrize("change", [{"seed": 1}, {"sampler": "ddim"}, {"guidance": 3.0}])
def test_a_folder_of_other_samples_is_refused(generator, conditions, make_settings, tmp_path, change):
    sample_images(generator, conditions[:1], make_settings(), tmp_path, seed=0)
    with pytest.raises(InputError, match="holds samples made in another way"):
        sample_images(generator, conditions[:1], make_settings(**change), tmp_path, seed=change.get("seed", 0))


def test_masks_that_do_not_fit_are_refused(generator, conditions, make_settings, tmp_path):
    for mask in (np.zeros((8, 8), np.uint8), np.full((16, 16), 2, np.uint8)):
        wrong = replace(conditions[0], mask=mask)
        with pytest.raises(InputError, match="does not fit the generator"):
            sample_images(generator, [wrong], make_settings(), tmp_path, seed=0)


def test_a_generator_of_free_images_takes_no_masks(table, conditions: list[Condition], make_settings, tmp_path):
    settings = make_settings(conditional=False, steps=1)
    free = train_generator([table], settings, tmp_path / "work")
    assert not free.conditional
    with pytest.raises(InputError, match="makes free images only"):
        sample_images(free, conditions, settings, tmp_path / "made", seed=0)
    assert len(sample_images(free, 1, settings, tmp_path / "made", seed=0)) == 1
