import pytest

from medweave.config import Labeling, Prompts
from medweave.errors import InputError
from medweave.labeling import create_labeler
from medweave.labeling.labelers import LABELERS


def create(**settings):
    return create_labeler(Labeling(**settings), None, 1, 0, "cpu", "fp32")


@pytest.mark.parametrize("name", ["ellipse", "grabcut"])
def test_labelers_come_by_name_and_say_who_they_are(name):
    labeler = create(labeler=name)
    assert labeler.name == name and labeler.requires_prompts
    assert labeler.provenance()["labeler"] == name and labeler.provenance("an image") == labeler.provenance()


def test_what_decides_about_grabcuts_masks_is_in_its_provenance():
    made_by = create_labeler(
        Labeling(labeler="grabcut", prompts=Prompts(margin=0.2)), None, 1, 7, "cpu", "fp32"
    ).provenance()
    assert made_by["margin"] == 0.2 and made_by["seed"] == 7


def test_an_unknown_name_gets_the_nearest_valid_ones():
    with pytest.raises(
        InputError, match=r"unknown labeler 'medsma'; did you mean medsam.*\? valid: compact, crop, sam, medsam"
    ):
        create(labeler="medsma")
    with pytest.raises(InputError, match="'xyz'; valid: " + ", ".join(LABELERS)):
        create(labeler="xyz")


@pytest.mark.parametrize("name", ["ellipse", "grabcut", "crop"])
def test_labelers_that_start_from_boxes_refuse_points_alone(name):
    with pytest.raises(InputError, match=f"labeler={name} needs boxes"):
        create(labeler=name, prompts=Prompts(kind="points"))


@pytest.mark.parametrize(("name", "file"), [("sam", "sam_vit_b_01ec64.pth"), ("medsam", "medsam_vit_b.pth")])
def test_a_missing_checkpoint_is_named_as_published(name, file, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path))
    with pytest.raises(InputError, match=f"labeler={name}: .*{file}"):
        create(labeler=name)
    with pytest.raises(InputError, match=r"absent\.pth"):
        create(labeler=name, checkpoint=str(tmp_path / "absent.pth"))


def test_the_default_labeler_is_registered():
    assert Labeling().labeler in LABELERS
