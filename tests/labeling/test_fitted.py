"""The artifact of what gold taught a labeler, and the labeler made of it."""

import json

import numpy as np
import pytest
import torch

from medweave.config import Prompts
from medweave.errors import InputError
from medweave.labeling.crop import CropLabeler
from medweave.labeling.crop.network import CropNetwork
from medweave.labeling.ellipse import EllipseLabeler
from medweave.labeling.fitted import FittedCard, FittedLabeler, labeler_for
from medweave.labeling.labelers import Target
from medweave.labeling.prompts import Prompt


def card(**changes):
    given = {
        "members": {"a": "fold-0", "b": "fold-1"},
        "dice": {"ellipse": 0.4, "after": 0.5},
        "training": {"seed": 3},
        **changes,
    }
    return FittedCard("crop", "", Prompts(kind="box", margin=0.1), **given)


@pytest.fixture(scope="module")
def fitted():
    """Networks that find nothing (fold-0), everything (fold-1), and everything on the left of the box (all)."""
    torch.manual_seed(0)
    fresh = CropNetwork(1).state_dict()
    weights = {}
    for name, bias in (("fold-0", -40.0), ("fold-1", 40.0), ("all", 0.0)):
        weights[name] = {**fresh, "head.bias": torch.tensor([bias])}
    return FittedLabeler(card(), weights)


def test_what_is_saved_is_loaded(fitted, tmp_path):
    fitted.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "card.json", "all.safetensors", "fold-0.safetensors", "fold-1.safetensors",
    }  # fmt: skip
    loaded = FittedLabeler.load(tmp_path)
    assert loaded.card == fitted.card
    assert loaded.digest == fitted.digest
    assert all(torch.equal(loaded.weights["all"][name], value) for name, value in fitted.weights["all"].items())


def test_the_digest_is_of_card_and_weights(fitted):
    changed = {**fitted.weights, "all": fitted.weights["fold-0"]}
    others = [
        FittedLabeler(fitted.card, changed),
        FittedLabeler(card(dice={"ellipse": 0.4, "after": 0.6}), fitted.weights),
    ]
    assert len({fitted.digest, *(other.digest for other in others)}) == 3
    assert FittedLabeler(card(), dict(fitted.weights)).digest == fitted.digest


def test_what_gold_taught_is_told_in_words():
    assert card().told() == "Dice on gold by cross-validation 0.500 (ellipse 0.400)"
    chosen = card(dice={"before": 0.5, "after": 0.4}, dropped="it is worse", prompt_dice=[{"margin": 0.1, "dice": 0.7}])
    assert chosen.told() == "adaptation dropped: it is worse; prompts chosen: box, margin 0.1"
    shares = {"0.0": 0.7, "0.25": 0.75}
    shared, unshared = (card(dice={}, coarse_share=share, share_dice=shares).told() for share in (0.25, 0.0))
    assert shared == (
        "the coarse model's share in labels is 0.25 (Dice on gold by cross-validation 0.750, without it 0.700)"
    )
    assert unshared == "the coarse model gets no share in labels"
    assert FittedCard("ellipse", "", Prompts()).told() == ""


def test_damage_is_told_in_one_line(fitted, tmp_path):
    def load_after(change):
        fitted.save(tmp_path)
        change()
        with pytest.raises(InputError) as raised:
            FittedLabeler.load(tmp_path)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    weights, content = tmp_path / "all.safetensors", tmp_path / "card.json"
    assert "all.safetensors" in load_after(lambda: weights.write_bytes(weights.read_bytes()[:-1] + b"x"))
    assert "all.safetensors" in load_after(weights.unlink)
    assert "card.json" in load_after(lambda: content.write_text("{"))
    assert "another format" in load_after(
        lambda: content.write_text(json.dumps({**json.loads(content.read_text()), "format": 99}))
    )
    assert "no fitted labeler" in load_after(content.unlink)


def label(labeler, *names):
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    prompt = Prompt(1, (10.0, 10.0, 30.0, 30.0))
    made = labeler.segment([Target(name, name, name, image, (prompt,)) for name in names])
    return [int(np.count_nonzero(one.class_map())) if hasattr(one, "class_map") else 0 for one in made]


def test_gold_is_labelled_by_the_weights_that_never_saw_it(fitted):
    labeler = labeler_for(fitted, CropLabeler(1, "cpu", "fp32"))
    nothing, everything = 0, 40 * 40
    new, of_a, of_b, other = label(labeler, "new", "a", "b", "other")
    assert (of_a, of_b) == (nothing, everything)
    assert new == other
    assert nothing < new < everything
    assert [labeler.provenance(name)["member"] for name in ("a", "b", "new")] == ["fold-0", "fold-1", "all"]
    about_all = labeler.provenance()
    assert about_all["labeler"] == labeler.name == "crop"
    assert about_all["fitted_digest"] == fitted.digest
    assert "member" not in about_all


def test_where_nothing_was_fitted_the_labeler_stays():
    labeler = EllipseLabeler(1)
    assert labeler_for(FittedLabeler(FittedCard("ellipse", "", Prompts())), labeler) is labeler


def test_another_labeler_cannot_be_given_the_weights(fitted):
    with pytest.raises(InputError, match="ellipse"):
        labeler_for(fitted, EllipseLabeler(1))
