from dataclasses import replace

import numpy as np

from medweave.data.masks import encode_mask
from medweave.data.table import ImageRow, MaskRef
from medweave.synthesis.checks import Checked, SampleCheck, kept_rows
from medweave.synthesis.checks.near_copies import Closeness, Found

CONDITION, FOUND = (MaskRef(png=encode_mask(np.full((4, 4), value, np.uint8))) for value in (1, 0))
CLOSE = Closeness(90.0, 5.0, 0.7)


def sample(name, mask):
    row = ImageRow(name, name, "", name, 4, 4, features={"intensity_mean": 9.0})
    return row.with_label("synthetic", mask, {"generator": "g", "condition": {} if mask else None})


def test_what_is_kept_and_with_which_label():
    samples = [sample("made for a mask", CONDITION), sample("copy", CONDITION), sample("free", MaskRef()),
               sample("free, nothing found", MaskRef())]  # fmt: skip
    labelled = [replace(row.with_label("synthetic", FOUND, {"labeler": "l"}), coarse=b"c",
                        features={**row.features, "flip_agreement": 0.5}) for row in samples[:3]]  # fmt: skip
    labelled.append(replace(samples[3], label_source="none", made_by={"missing": "no prompt"}))
    reasons = [(), ("near-copy of a training image",), (), ()]
    checks = [
        SampleCheck(row.image_id, why, Found("real1", CLOSE, ()), {"coarse": 0.5})
        for row, why in zip(samples, reasons, strict=True)
    ]
    made, free, nothing = kept_rows(samples, labelled, Checked(tuple(checks), CLOSE, None, None))
    assert made.mask == CONDITION and made.coarse == b"c" and "labeler" not in made.made_by
    assert made.features == {"intensity_mean": 9.0, "flip_agreement": 0.5}
    assert made.made_by["checks"] == {
        "agreement": {"coarse": 0.5},
        "closest": {"image": "real1", "bits": 90.0, "distance": 5.0, "correlation": 0.7},
    }
    assert free.mask == FOUND and free.made_by["labeler"] == "l" and free.made_by["generator"] == "g"
    assert nothing.label_source == "none" and nothing.made_by["missing"] == "no prompt"
