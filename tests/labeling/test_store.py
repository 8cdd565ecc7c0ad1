import os

import pytest

from medweave.data import ImageRow
from medweave.labeling import Label, store
from medweave.labeling.store import LabelStore

ROW = ImageRow("a", "g", "a.png", "sha", 4, 6)
HOW = {"labeler": "ellipse", "prompts": [{"box": [0.5, 1.0, 2.0, 3.0]}]}
MADE = Label(b"\x89coarse", b"\x89mask", HOW, {"flip_agreement": 0.75})
NONE = Label(None, None, {"missing": "no prompt"})


def entries(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("label", [MADE, NONE])
def test_a_label_comes_back_for_its_image_and_recipe_only(tmp_path, label):
    LabelStore(tmp_path, {"coarse": "x"}).put(ROW, label)
    again = LabelStore(tmp_path, {"coarse": "x"})
    assert again.get(ROW) == label
    for other in ("image_id", "group_id", "image_sha256"):
        assert again.get(ImageRow(**{**vars(ROW), other: "other"})) is None
    assert again.get(ImageRow(**{**vars(ROW), "image_uri": "moved.png"})) == label
    assert LabelStore(tmp_path, {"coarse": "y"}).get(ROW) is None


def test_a_label_goes_onto_a_row():
    row = MADE.on(ROW, "synthetic")
    assert (row.label_source, row.mask.png, row.coarse) == ("synthetic", MADE.mask, MADE.coarse)
    assert row.made_by == MADE.made_by and row.label_id and row.features == MADE.features
    assert NONE.on(row, "weak").label_source == "none" and NONE.on(row, "weak").label_id is None


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-3], lambda data: data.replace(b"ellipse", b"ellipsf"), lambda _: b""]
)
def test_a_damaged_entry_counts_as_missing_and_is_made_again(tmp_path, damage):
    labels = LabelStore(tmp_path, {})
    labels.put(ROW, MADE)
    (path,) = entries(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert labels.get(ROW) is None
    labels.put(ROW, MADE)
    assert labels.get(ROW) == MADE and entries(tmp_path) == [path]


def test_a_folder_that_cannot_be_written_is_said_once_and_the_run_goes_on(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    labels = LabelStore(tmp_path / "file" / "labels", {})
    labels.put(ROW, MADE)
    assert labels.get(ROW) is None
    (said,) = capsys.readouterr().err.splitlines()
    assert "cannot be written" in said and "labels are not kept" in said


def test_recipes_that_were_used_longest_ago_go_first(tmp_path):
    for number in range(store.RECIPES):
        LabelStore(tmp_path, {"number": number}).put(ROW, MADE)
        (folder,) = [path for path in tmp_path.iterdir() if path.stat().st_mtime > 1e9]
        os.utime(folder, (number, number))
    LabelStore(tmp_path, {"number": 0})  # is used again
    assert LabelStore(tmp_path, {"number": "new"}).get(ROW) is None
    left = [LabelStore(tmp_path, {"number": number}).get(ROW) is not None for number in (0, 2)]
    assert len(list(tmp_path.iterdir())) == store.RECIPES and left == [True, True]
    assert LabelStore(tmp_path, {"number": 1}).get(ROW) is None
