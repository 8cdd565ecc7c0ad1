import numpy as np

from medweave.data.masks import encode_mask
from medweave.data.table import ImageRow, MaskRef
from medweave.synthesis import in_origin_groups

PNG = encode_mask(np.ones((4, 4), np.uint8))


def sample(name: str, condition) -> ImageRow:
    mask = MaskRef(png=PNG) if condition else MaskRef()
    return ImageRow(name, name, "", name, 4, 4).with_label("synthetic", mask, {"seed": 1, "condition": condition})


def test_samples_join_the_patients_of_their_masks():
    real = [
        ImageRow("a", "anna", "", "", 4, 4),
        ImageRow("b", "ben", "", "", 4, 4),
        ImageRow("c", "anna", "", "", 4, 4),
    ]
    samples = [
        sample("one", {"origin": ["b"], "change": "moved"}),
        sample("two", {"origin": ["c", "b", "a"], "change": "mixed"}),
        sample("free", None),
    ]
    one, two, free = in_origin_groups(samples, real)
    assert (one.group_id, one.made_by["condition"]["groups"]) == ("ben", ["ben"])
    assert (two.group_id, two.made_by["condition"]["groups"]) == ("anna", ["anna", "ben"])
    assert two.made_by["seed"] == 1 and two.mask == samples[1].mask and two.label_source == "synthetic"
    assert two.label_id != samples[1].label_id
    assert free == samples[2]
