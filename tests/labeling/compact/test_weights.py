import cv2
import numpy as np
import pytest
import torch

from medweave.compact.weights import export, read_card
from medweave.data.phantoms import make_phantom
from medweave.errors import InputError
from medweave.labeling.compact import load_compact
from medweave.labeling.compact.model import build_compact
from medweave.labeling.compact.weights import NAME, load_model
from medweave.labeling.ellipse import EllipseLabeler
from medweave.labeling.labelers import Target
from medweave.labeling.prompts import Prompt

CARD, WEIGHTS = f"{NAME}.json", f"{NAME}.safetensors"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(3)
    model, folder = build_compact(), tmp_path_factory.mktemp("weights")
    return model, folder, export(model, {"stages": []}, NAME, folder)


def test_exported_weights_come_back_in_half_precision(exported):
    model, folder, digest = exported
    loaded, found = load_model(folder)
    assert found == digest == read_card(NAME, folder)["sha256"]
    for name, value in loaded.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name].half().float(), rtol=0, atol=0)
    assert sorted(path.name for path in folder.iterdir()) == sorted([CARD, WEIGHTS])


def test_weights_that_are_not_the_cards_are_refused(exported, tmp_path):
    _, folder, _ = exported
    (tmp_path / CARD).write_text((folder / CARD).read_text())
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(InputError, match="is not the card's"):
        load_model(tmp_path)
    (tmp_path / CARD).write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path)


def test_the_shipped_card_names_the_shipped_weights():
    card = read_card(NAME)
    model, digest = load_model()
    assert digest == card["sha256"]
    assert card["parameters"] == sum(value.numel() for value in model.state_dict().values())


def test_the_shipped_model_beats_the_ellipse_on_phantoms_it_never_saw():
    labelers = {"compact": load_compact("cpu", "fp32"), "ellipse": EllipseLabeler(1)}
    dice: dict[str, list[float]] = {name: [] for name in labelers}
    for modality in ("ultrasound", "dermoscopy", "xray"):
        for number in range(4):
            rng = np.random.default_rng(number)
            image, mask = make_phantom(modality, 192, rng)
            image = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
            target = Target(str(number), "", "", image, tuple(jittered_prompts(rng, mask)))
            for name, labeler in labelers.items():
                (made,) = labeler.segment([target])
                dice[name].append(dice_of(made.class_map(), mask))
    assert np.mean(dice["compact"]) > 0.9 > np.mean(dice["ellipse"])


def jittered_prompts(rng, mask):
    _, _, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8), connectivity=8)
    for component, (x, y, width, height, area) in enumerate(stats[1:]):
        if area >= 0.01 * stats[1:, cv2.CC_STAT_AREA].max():
            shift = rng.uniform(-0.1, 0.1, 4) * (width, height, width, height)
            yield Prompt(1, tuple(np.array([x, y, x + width, y + height]) + shift), component=component)


def dice_of(seen, true):
    return 2 * ((seen > 0) & (true > 0)).sum() / ((seen > 0).sum() + (true > 0).sum())
