"""The step that tests samples before they are used."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from medweave.config import Labeling, Prompts, SampleChecks, Settings, Synthesis
from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.images import encode_image
from medweave.data.masks import encode_mask
from medweave.data.phantoms import make_phantom
from medweave.data.probabilities import encode_probabilities
from medweave.labeling.fitted import FittedCard, FittedLabeler
from steps.check_samples import check_samples

SIZE = 64
SETTINGS = Settings(
    task="any",
    labeling=Labeling(labeler="ellipse"),
    synthesis=Synthesis(checks=SampleChecks(coarse_dice=0.5, labeler_dice=0.5)),
)
FITTED = FittedLabeler(FittedCard("ellipse", "", Prompts()))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "home"))


@pytest.fixture
def phantom(tmp_path):
    """A drawn image, which may be changed, with its mask, as a row."""

    def make(seed: int, name: str, changed=lambda image: image) -> tuple[ImageRow, np.ndarray]:
        image, mask = make_phantom("dermoscopy", SIZE, np.random.default_rng(seed))
        path = tmp_path / f"{name}.png"
        path.write_bytes(encode_image(np.ascontiguousarray(changed(image))))
        return ImageRow(name, name, str(path), f"{seed:064x}", SIZE, SIZE), mask

    return make


def brighter_and_flipped(image):
    return cv2.convertScaleAbs(image[:, ::-1], alpha=1.05, beta=5)


def test_a_memorised_training_image_and_one_unlike_its_mask_are_dropped(home, phantom, tmp_path):
    real = [phantom(seed, f"real{seed}") for seed in range(20)]
    gold = write_table(
        tmp_path / "gold", [row.with_label("gold", MaskRef(png=encode_mask(mask)), {}) for row, mask in real[:10]]
    )
    weak = write_table(tmp_path / "weak", [row for row, _ in real[10:]])
    drawn = [
        phantom(100, "new"),
        phantom(14, "copy", brighter_and_flipped),
        phantom(101, "other"),
        phantom(102, "free"),
    ]
    conditions = [mask for _, mask in drawn]
    conditions[1] = conditions[1][:, ::-1].copy()
    seen = [mask.astype(float)[None] for mask in conditions]
    seen[2] = np.zeros_like(seen[2])
    samples, labelled = [], []
    for index, ((row, _), condition) in enumerate(zip(drawn, conditions, strict=True)):
        mask = MaskRef() if index == 3 else MaskRef(png=encode_mask(condition))
        made_by = {"generator": "g", "condition": {"origin": ["real0"], "groups": ["real0"]} if mask else None}
        samples.append(row.with_label("synthetic", mask, made_by))
        label = row.with_label("synthetic", MaskRef(png=encode_mask(condition)), {"labeler": "ellipse"})
        labelled.append(replace(label, coarse=encode_probabilities(seen[index]), features={"flip_agreement": 0.9}))
    kept, checks = check_samples.entrypoint(
        write_table(tmp_path / "samples", samples), write_table(tmp_path / "labelled", labelled), gold, weak, {},
        FITTED, SETTINGS,
    )  # fmt: skip
    assert checks["made"] == 4 and checks["kept"] == 2
    assert checks["reasons"] == {"near-copy of a training image": 1, "the coarse model finds another mask": 1}
    assert [(one["sample"], one["image"]) for one in checks["near_copies"]] == [("copy", "real14")]
    new, free = kept
    assert (new.image_id, free.image_id) == ("new", "free")
    assert new.mask == samples[0].mask and new.label_source == free.label_source == "synthetic"
    assert new.made_by["checks"]["agreement"]["coarse"] == 1.0
    assert new.made_by["checks"]["agreement"]["labeler"] > 0.6
    assert free.mask == labelled[3].mask and free.made_by["labeler"] == "ellipse"
    assert new.coarse == labelled[0].coarse and new.features["flip_agreement"] == 0.9
