"""Masks that were made elsewhere, beside the labeler's own."""

import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from medweave.config import Settings
from medweave.data.masks import encode_mask, read_mask
from medweave.data.table import ImageRow, MaskRef, write_table
from medweave.errors import InputError
from medweave.labeling import second_labeler, second_opinions


@pytest.fixture
def root(tmp_path):
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.array([[0, 255, 255, 0]] * 3, np.uint8)).save(tmp_path / "masks" / "a.png")
    Image.fromarray(np.array([[255]], np.uint8)).save(tmp_path / "masks" / "small.png")
    return tmp_path


def settings_of(root, **labeling) -> Settings:
    return Settings(task="x", data={"root": str(root), "classes": ["lesion"]}, labeling=labeling)


def labelled(name: str) -> ImageRow:
    row = ImageRow(name, f"group {name}", f"{name}.png", f"sha {name}", 3, 4, coarse=b"seen", features={"flips": 0.9})
    return row.with_label("weak", MaskRef(png=encode_mask(np.ones((3, 4), np.uint8))), {"labeler": "compact"})


def test_every_image_gets_the_folders_mask_or_the_reason_why_not_and_keeps_what_the_coarse_model_saw(root, capsys):
    rows = [labelled("a"), labelled("small"), labelled("b")]
    labeler = second_labeler(settings_of(root, second_opinion="masks"))
    a, small, b = second_opinions(write_table(root / "labels", rows, 2), labeler, root / "work")
    assert "2 of 3 images get no second opinion: " in capsys.readouterr().err
    assert read_mask(a.mask, 1, 100).tolist() == [[0, 1, 1, 0]] * 3
    assert a.made_by["labeler"] == "imported"
    assert a.made_by["mask_sha256"] == hashlib.sha256((root / "masks" / "a.png").read_bytes()).hexdigest()
    assert (a.label_source, a.label_id == rows[0].label_id) == ("weak", False)
    for row, reason in ((small, "is 1 x 1 pixels, its image 4 x 3"), (b, "no imported mask")):
        assert (row.label_source, row.label_id, row.mask) == ("none", None, MaskRef())
        assert reason in row.made_by["missing"]
    for before, after in zip(rows, (a, small, b), strict=True):
        label = {"label_source": "weak", "label_id": "", "mask": MaskRef(), "made_by": {}}
        assert replace(after, **label) == replace(before, **label)


def test_a_killed_step_goes_on_after_its_last_shard(root):
    labels = write_table(root / "labels", [labelled("a"), labelled("b"), labelled("small")], 1)
    labeler = second_labeler(settings_of(root, second_opinion="masks"))
    whole = second_opinions(labels, labeler, root / "work")
    (last,) = (root / "work").glob("*2*.parquet")
    first = [path for path in (root / "work").glob("*.parquet") if path != last]
    before = {path: path.stat().st_mtime_ns for path in first}
    last.unlink()
    (root / "work" / "manifest.json").unlink()
    assert second_opinions(labels, labeler, root / "work").digest == whole.digest
    assert {path: path.stat().st_mtime_ns for path in first} == before and len(first) == 2


def test_there_is_none_without_a_folder_or_where_the_labeler_takes_it_itself(root):
    assert second_labeler(settings_of(root)) is None
    assert second_labeler(settings_of(root, labeler="imported", imported="masks", second_opinion="masks")) is None
    other = settings_of(root, labeler="imported", imported="others", second_opinion="masks")
    assert second_labeler(other).name == "imported"


def test_a_folder_that_is_not_there_is_an_error_that_names_the_setting(root):
    with pytest.raises(InputError, match=re.escape("labeling.second_opinion=nowhere: ")):
        second_labeler(settings_of(root, second_opinion="nowhere"))
