import numpy as np

from medweave.config import Labeling, Prompts
from medweave.data.masks import encode_mask
from medweave.data.table import ImageRow, MaskRef
from medweave.labeling import Chain, MaskPrompts, bounds_from_masks, create_labeler
from medweave.labeling.batches import Halving

SIZE = 48


def masked(mask: np.ndarray) -> ImageRow:
    return ImageRow("s", "s", "", "00", SIZE, SIZE, mask=MaskRef(png=encode_mask(mask)))


def test_each_class_is_sure_where_the_mask_has_it():
    mask = np.zeros((4, 6), np.uint8)
    mask[1, 2], mask[3, 5] = 1, 2
    ((seen, features),) = MaskPrompts(2).predict([np.zeros((4, 6, 3), np.uint8)], [masked(mask)])
    assert seen.shape == (2, 4, 6) and seen.sum() == 2
    assert seen[0, 1, 2] == seen[1, 3, 5] == 1
    assert features == {}


def test_a_chain_is_prompted_by_the_box_of_the_mask():
    """An inscribed ellipse of the box of columns 10-29 and rows 8-27: area pi/4 of it."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[8:28, 10:30] = 1
    labeler = create_labeler(Labeling(labeler="ellipse"), None, 1, 0, "cpu", "fp32")
    prompts = Prompts(margin=0.0, jitters=0)
    chain = Chain(MaskPrompts(1), labeler, bounds_from_masks([mask], 1, 1.0), prompts, 1)
    (label,) = chain.label([(masked(mask), np.zeros((SIZE, SIZE, 3), np.uint8))], Halving("label", 1))
    assert label.made_by["prompts"][0]["box"] == [10, 8, 30, 28]
    assert label.made_by["coarse"] == "mask"
