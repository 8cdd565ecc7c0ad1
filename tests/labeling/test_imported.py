import hashlib
import os
import re

import numpy as np
import pytest
from PIL import Image

from medweave.config import Labeling
from medweave.errors import InputError
from medweave.labeling import NoMask, Target, create_labeler
from medweave.labeling.imported import ImportedMasks, find_masks

IMAGE = np.zeros((4, 6, 3), np.uint8)


def label(labeler, image_id):
    (made,) = labeler.segment([Target(image_id, "sha", "g", IMAGE)])
    return made


def save(path, mask):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(mask, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "masks" / "a.png", [[0, 255, 255, 0, 0, 0]] * 4)
    save(tmp_path / "masks" / "b.tif", [[0, 0, 1, 1, 1, 1]] * 4)
    save(tmp_path / "masks" / "small.png", [[255]])
    save(tmp_path / "masks" / "gray.png", [[0, 128, 255, 0, 0, 0]] * 4)
    save(tmp_path / "masks" / "blank.png", [[0] * 6] * 4)
    (tmp_path / "masks" / "broken.png").write_bytes(b"no image")
    return tmp_path / "masks"


def test_masks_are_found_by_image_id_in_any_format(folder):
    labeler = ImportedMasks(str(folder), 1, 1000)
    assert label(labeler, "a").class_map().tolist() == [[0, 1, 1, 0, 0, 0]] * 4
    assert label(labeler, "b").class_map().tolist() == [[0, 0, 1, 1, 1, 1]] * 4
    assert not labeler.requires_prompts


@pytest.mark.parametrize(
    ("image_id", "reason"),
    [
        ("missing", "^no imported mask$"),
        ("blank", "^imported mask: is empty$"),
        ("small", "^imported mask: is 1 x 1 pixels, its image 6 x 4$"),
        ("gray", "^imported mask: .*128"),
        ("broken", "^imported mask: "),
    ],
)
def test_an_image_without_a_fitting_mask_gets_none_and_the_reason(folder, image_id, reason):
    made = label(ImportedMasks(str(folder), 1, 1000), image_id)
    assert isinstance(made, NoMask) and re.search(reason, made.reason)
    assert str(folder) not in made.reason and image_id not in made.reason.removeprefix("no imported mask")


def test_classes_come_back_as_probabilities_of_zero_and_one(tmp_path):
    save(tmp_path / "masks" / "a.png", [[0, 1, 2, 2, 0, 0]] * 4)
    made = label(ImportedMasks(str(tmp_path / "masks"), 3, 1000), "a")
    assert made.probabilities.shape == (3, 4, 6)
    assert made.probabilities[:, 0].tolist() == [[0, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0] * 6]
    assert made.score is None and made.agreement is None


def test_provenance_names_the_masks_content(folder):
    made_by = ImportedMasks(str(folder), 1, 1000).provenance("a")
    sha256 = hashlib.sha256((folder / "a.png").read_bytes()).hexdigest()
    assert made_by == {"labeler": "imported", "labeler_digest": "", "mask_sha256": sha256}


def test_provenance_of_the_folder_changes_when_a_file_does(folder):
    before = ImportedMasks(str(folder), 1, 1000).provenance()
    assert ImportedMasks(str(folder), 1, 1000).provenance() == before
    os.utime(folder / "a.png", ns=(1, 1))
    assert ImportedMasks(str(folder), 1, 1000).provenance() != before


def test_two_masks_of_one_image_are_refused_by_name(folder):
    save(folder / "a.bmp", [[0]])
    with pytest.raises(InputError, match=r"a\.png: is a second mask of a beside .*a\.bmp"):
        ImportedMasks(str(folder), 1, 1000)


def test_a_folder_without_masks_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no masks"):
        ImportedMasks(str(tmp_path), 1, 1000)


def test_the_folder_is_looked_up_under_the_data_root_first_then_from_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "masks").mkdir()
    assert find_masks("masks", str(tmp_path / "task")) == "masks"
    (tmp_path / "task" / "masks").mkdir(parents=True)
    assert find_masks("masks", str(tmp_path / "task")) == str(tmp_path / "task" / "masks")
    assert find_masks(str(tmp_path / "masks"), str(tmp_path / "task")) == str(tmp_path / "masks")
    assert find_masks("masks", None) == "masks"


def test_a_missing_folder_is_an_error_that_names_both_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        create_labeler(Labeling(labeler="imported", imported="masks"), "/data/task", 1, 0, "cpu", "fp32")
    assert "/data/task/masks" in str(error.value) and str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_the_folder_must_be_set():
    with pytest.raises(InputError, match=r"labeling\.imported is not set"):
        create_labeler(Labeling(labeler="imported"), None, 1, 0, "cpu", "fp32")


def test_masks_come_from_object_storage_too(folder):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/imported-task/masks/a.png", (folder / "a.png").read_bytes())
    try:
        labeler = create_labeler(
            Labeling(labeler="imported", imported="masks"), "memory://imported-task", 1, 0, "cpu", "fp32"
        )
        assert label(labeler, "a").class_map().sum() == 8
        assert labeler.provenance()["folder_sha256"]
    finally:
        memory.rm("/imported-task", recursive=True)
