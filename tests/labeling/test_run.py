import cv2
import numpy as np
import pytest

from medweave import __version__
from medweave.config import Labeling, Prompts
from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.masks import read_mask
from medweave.data.probabilities import decode_probabilities
from medweave.errors import InputError
from medweave.labeling import Bounds, ClassBounds, NoMaskError, Prompt, label_images
from medweave.labeling.ellipse import EllipseLabeler
from medweave.labeling.imported import ImportedMasks

BOUNDS = Bounds((ClassBounds(0.0, 1.0, 0.0, 5),))
SETTINGS = Labeling(labeler="ellipse", prompts=Prompts(margin=0.0))


class Coarse:
    """Takes what is bright for the object, at half the image's size."""

    digest = "coarse-digest"

    def probabilities(self, images, rows):
        assert len(images) == len(rows)
        height, width = images[0].shape[:2]
        halves = [cv2.resize(image[..., 0], (width // 2, height // 2))[None] for image in images]
        return np.stack(halves).astype(np.float32) / 255


class Stopping(EllipseLabeler):
    """An ellipse labeler that breaks down at its n-th image."""

    def __init__(self, images):
        self.images = images

    def segment(self, image, prompts, image_id):
        if self.images == 0:
            raise RuntimeError("power cut")
        self.images -= 1
        return super().segment(image, prompts, image_id)


@pytest.fixture
def table(tmp_path):
    rows = []
    for index in range(7):
        image = np.zeros((40, 60), np.uint8)
        if index != 3:
            image[10:30, 10 : 20 + 4 * index] = 255
        path = tmp_path / "images" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), image)
        rows.append(ImageRow(str(index), str(index), str(path), f"sha-{index}", 40, 60))
    return write_table(tmp_path / "table", rows, shard_rows=2)


def run(table, work, labeler=None, source="weak", settings=SETTINGS, coarse=None, classes=1):
    labeler = labeler or EllipseLabeler()
    return label_images(table, coarse or Coarse(), labeler, BOUNDS, settings, classes, source, work, 10_000)


def test_each_image_gets_the_mask_of_its_prompts_and_says_how(table, tmp_path):
    labelled = run(table, tmp_path / "work")
    assert [row.image_id for row in labelled] == [row.image_id for row in table]
    row = next(iter(labelled))
    made_by = {"labeler": "ellipse", "labeler_digest": "", "version": __version__, "coarse": "coarse-digest"}
    assert row.label_source == "weak" and row.label_id
    assert {key: value for key, value in row.made_by.items() if key != "prompts"} == made_by
    (prompt,) = map(Prompt.from_json, row.made_by["prompts"])
    assert prompt.box == pytest.approx((10, 10, 20, 30), abs=1.5)
    image = np.zeros((40, 60, 3), np.uint8)
    assert (read_mask(row.mask, 1, 10_000) == EllipseLabeler().segment(image, [prompt], "")).all()
    expected = Coarse().probabilities([cv2.imread(row.image_uri)], [row])[0]
    assert np.abs(decode_probabilities(row.coarse, 1) - expected).max() <= 1 / 510 + 1e-6


def test_an_image_without_a_prompt_stays_without_a_label(table, tmp_path, capsys):
    row = list(run(table, tmp_path / "work"))[3]
    assert row.label_source == "none" and row.label_id is None and not row.mask
    assert row.made_by == {"labeler": "ellipse", "labeler_digest": "", "version": __version__, "missing": "no prompt"}
    assert row.coarse is not None
    assert "1 of 7 images get no label: no prompt (1)" in capsys.readouterr().err


def test_synthetic_images_get_synthetic_labels(table, tmp_path):
    assert {row.label_source for row in run(table, tmp_path / "work", source="synthetic")} == {"synthetic", "none"}


def test_gold_rows_lose_their_gold_label(table, tmp_path):
    gold = [row.with_label("gold", MaskRef(uri="mask.png"), {"expert": "x"}, "sha") for row in table]
    labelled = list(run(write_table(tmp_path / "gold", gold), tmp_path / "work"))
    assert [row.label_source for row in labelled] == ["weak"] * 3 + ["none"] + ["weak"] * 3
    assert all(row.mask.uri is None and "expert" not in row.made_by for row in labelled)
    assert labelled[3].label_id is None


@pytest.mark.parametrize("images", [0, 1, 2, 5])
def test_a_killed_run_goes_on_and_gives_the_same_table(table, tmp_path, images):
    whole = run(table, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="power cut"):
        run(table, tmp_path / "work", Stopping(images))
    seen = []

    class Watching(EllipseLabeler):
        def segment(self, image, prompts, image_id):
            seen.append(image_id)
            return super().segment(image, prompts, image_id)

    resumed = run(table, tmp_path / "work", Watching())
    assert resumed.digest == whole.digest and list(resumed) == list(whole)
    # images 0 1 | 2 3 (no prompt) | 4 5 | 6: whole shards that were done are not done again
    assert seen == {0: ["0", "1", "2", "4", "5", "6"], 1: ["0", "1", "2", "4", "5", "6"], 2: ["2", "4", "5", "6"]}.get(
        images, ["6"]
    )


def test_imported_masks_need_no_prompts_and_are_told_by_their_content(table, tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    mask = np.zeros((40, 60), np.uint8)
    mask[5:9, 5:9] = 255
    cv2.imwrite(str(folder / "3.png"), mask)
    labelled = list(run(table, tmp_path / "work", ImportedMasks(str(folder), 1, 10_000)))
    assert (read_mask(labelled[3].mask, 1, 10_000) == mask // 255).all()
    assert set(labelled[3].made_by) == {"labeler", "labeler_digest", "mask_sha256", "version"}
    assert {row.made_by["missing"] for row in labelled if row.image_id != "3"} == {f"no mask in {folder}"}


def test_a_labeler_may_give_up_on_an_image(table, tmp_path):
    class Choosy(EllipseLabeler):
        def segment(self, image, prompts, image_id):
            if image_id == "5":
                raise NoMaskError("too odd")
            return super().segment(image, prompts, image_id)

    labelled = list(run(table, tmp_path / "work", Choosy()))
    assert labelled[5].label_source == "none" and labelled[5].made_by["missing"] == "too odd"
    assert labelled[6].label_source == "weak"


def test_a_coarse_model_of_other_classes_is_refused(table, tmp_path):
    with pytest.raises(InputError, match=r"has 1 classes, data\.classes has 2"):
        run(table, tmp_path / "work", classes=2)


def test_an_empty_table_stays_empty(tmp_path):
    assert len(run(write_table(tmp_path / "none", []), tmp_path / "work")) == 0
