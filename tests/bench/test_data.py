import numpy as np
import pytest
from PIL import Image

from medweave.bench.data import gold_boxes, gold_folder
from medweave.errors import InputError


def test_images_come_with_their_masks_in_order(folder):
    images = gold_folder(folder, 1)
    assert len(images) == 3
    found = list(images)
    assert [image.target.image_id for image in found] == ["one", "three", "two"]
    assert [image.target.image.shape for image in found] == [(40, 60, 3), (50, 50, 3), (64, 80, 3)]
    assert set(np.unique(found[0].mask)) == {0, 1} and len(found[0].target.image_sha256) == 64


def test_images_with_an_empty_mask_are_left_out(folder):
    Image.new("L", (60, 40)).save(folder / "masks" / "one.png")
    images = gold_folder(folder, 1)
    assert (len(images), images.left_out) == (2, 1)
    assert [image.target.image_id for image in images] == ["three", "two"]


def test_gold_boxes_are_tight_and_leave_out_specks(folder):
    _, _, two = gold_folder(folder, 1)
    prompts = gold_boxes(two, 1, 0.0, seed=1)
    assert [(prompt.class_index, prompt.component, prompt.box) for prompt in prompts] == [
        (1, 0, (4.0, 4.0, 44.0, 34.0)),
        (1, 1, (50.0, 40.0, 70.0, 60.0)),
    ]


def test_each_class_has_its_boxes(tmp_path, folder):
    mask = np.zeros((40, 60), np.uint8)
    mask[5:25, 10:40], mask[30:36, 2:8] = 2, 1
    Image.fromarray(mask).save(folder / "masks" / "one.png")
    for other in (*folder.glob("*/two.png"), *folder.glob("*/three.png")):
        other.unlink()
    (one,) = gold_folder(folder, 2)
    boxes = [(prompt.class_index, prompt.box) for prompt in gold_boxes(one, 2, 0.0, 0)]
    assert boxes == [(1, (2.0, 30.0, 8.0, 36.0)), (2, (10.0, 5.0, 40.0, 25.0))]


def test_jitter_moves_every_side_on_its_own_within_its_share(folder):
    one, three, _ = gold_folder(folder, 1)
    tight, size = np.array([10, 5, 40, 25]), np.array([30, 20, 30, 20])
    shares = np.array([(np.array(gold_boxes(one, 1, 0.2, seed)[0].box) - tight) / size for seed in range(400)])
    assert np.abs(shares).max() <= 0.2 and (np.abs(shares).max(axis=0) > 0.19).all()
    assert np.abs(shares.mean(axis=0)).max() < 0.02  # 0.2 / sqrt(3 * 400) = 0.006 is one standard error
    assert np.abs(shares.std(axis=0) - 0.2 / np.sqrt(3)).max() < 0.01
    assert np.abs(np.corrcoef(shares.T) - np.eye(4)).max() < 0.2
    boxes = np.array([gold_boxes(three, 1, 0.2, seed)[0].box for seed in range(50)])
    assert (boxes[:, 0] >= 0).all() and (boxes[:, 3] <= 50).all() and (boxes[:, 0] == 0).any()


def test_what_is_drawn_follows_from_seed_and_image(folder):
    one, *_ = gold_folder(folder, 1)
    assert gold_boxes(one, 1, 0.1, 7) == gold_boxes(one, 1, 0.1, 7) != gold_boxes(one, 1, 0.1, 8)
    renamed = type(one)(type(one.target)("other", "", "", one.target.image), one.mask)
    assert gold_boxes(renamed, 1, 0.1, 7) != gold_boxes(one, 1, 0.1, 7)


def without_mask(folder):
    (folder / "masks" / "two.png").unlink()
    return "two.png: has no partner"


def without_image(folder):
    (folder / "images" / "one.png").unlink()
    return "one.png: has no partner"


def second_of_a_name(folder):
    (folder / "images" / "one.bmp").write_bytes((folder / "images" / "one.png").read_bytes())
    return "second file named one"


def of_another_size(folder):
    Image.new("L", (7, 9), 255).save(folder / "masks" / "one.png")
    return "one.png: is 7 x 9 pixels, its image 60 x 40"


def without_objects(folder):
    for path in folder.glob("masks/*"):
        Image.new("L", Image.open(path).size).save(path)
    return "masks: every mask is empty; give images that show a structure"


def without_images(folder):
    for path in (*folder.glob("images/*"), *folder.glob("masks/*")):
        path.unlink()
    return "no images here"


@pytest.mark.parametrize(
    "spoil", [without_mask, without_image, second_of_a_name, of_another_size, without_objects, without_images]
)
def test_what_does_not_fit_is_named(folder, spoil):
    message = spoil(folder)
    with pytest.raises(InputError, match=message):
        list(gold_folder(folder, 1))
