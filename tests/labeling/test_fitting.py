"""Fitting a labeler to gold, cross-fitted over folds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medweave.config import Labeling, Prompts, Settings
from medweave.data.masks import encode_mask
from medweave.data.table import ImageRow, MaskRef, write_table
from medweave.errors import InputError
from medweave.labeling import MaskPrompts, adaptation, averaging
from medweave.labeling.chain import configured_chain
from medweave.labeling.compact.model import build_compact
from medweave.labeling.crop import CropLabeler, training
from medweave.labeling.ellipse import EllipseLabeler
from medweave.labeling.exams import exams_on, mean_exam_dice
from medweave.labeling.fitted import CrossFitted, FittedCard, FittedLabeler, labeler_for
from medweave.labeling.fitting import fit_labeler, fit_to_gold, labels_of_gold
from medweave.labeling.gold_prompts import BoxErrors, GoldImage, GoldSet
from medweave.labeling.grabcut import GrabCutLabeler
from medweave.labeling.labelers import Target
from medweave.labeling.prompts import Prompt, bounds_from_masks
from medweave.labeling.sam import SamLabeler

FOLDS = {f"g{number}": number % 2 for number in range(4)}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def gold_images(round_ones=False):
    """Four images of one bright ellipse or rectangle each."""
    images = []
    for number in range(4):
        image, mask = np.full((64, 96, 3), 40, np.uint8), np.zeros((64, 96), np.uint8)
        x, y, width, height = 10 + 8 * number, 8 + 3 * number, 40, 30
        mask[y : y + height, x : x + width] = 1
        if round_ones:
            rows, columns = np.mgrid[:64, :96] + 0.5
            mask = (np.hypot((columns - x - 20) / 20, (rows - y - 15) / 15) < 1).astype(np.uint8)
        image[mask == 1] = 200
        images.append(GoldImage(Target(f"i{number}", f"sha{number}", f"g{number}", image), mask))
    return images


def gold_set(kind="box"):
    return GoldSet(gold_images(), FOLDS, 1, BoxErrors(0.0, 0.05), kind, 7)


def small_sam():
    torch.manual_seed(0)
    return SamLabeler(build_compact(64), "compact", "compact", "digest", "cpu", "fp32")


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(training, "Recipe", lambda: RECIPE)
    few = adaptation.Recipe(
        views=((),), alternatives=2, batch=2, snapshots=(2, 12), learning_rate=3e-3, warm_up=2, ema=0.5
    )
    monkeypatch.setattr(adaptation, "RECIPES", {"compact": few})


RECIPE = training.Recipe(steps=2, batch=2)


def test_each_fold_is_trained_without_it(few_steps, tmp_path, monkeypatch):
    taught = {}
    train = training.train_crop

    def watched(images, *args):
        taught[args[-1]] = [image.target.image_id for image in images]
        return train(images, *args)

    monkeypatch.setattr("medweave.labeling.crop.train_crop", watched)
    fitted = fit_to_gold(CropLabeler(1, "cpu", "fp32"), gold_set(), Labeling(labeler="crop"), tmp_path)
    assert taught == {
        "crop fold-0": ["i1", "i3"],
        "crop fold-1": ["i0", "i2"],
        "crop all": ["i0", "i1", "i2", "i3"],
    }
    assert fitted.card.members == {"i0": "fold-0", "i1": "fold-1", "i2": "fold-0", "i3": "fold-1"}
    assert set(fitted.weights) == {"fold-0", "fold-1", "all"}
    assert set(fitted.card.dice) == {"ellipse", "after"}
    assert isinstance(labeler_for(fitted, CropLabeler(1, "cpu", "fp32")), CrossFitted)

    taught.clear()
    (tmp_path / "all.safetensors").unlink()
    again = fit_to_gold(CropLabeler(1, "cpu", "fp32"), gold_set(), Labeling(labeler="crop"), tmp_path)
    assert set(taught) == {"crop all"}  # the folds that were finished are kept
    assert again.digest == fitted.digest


def adapted(labeler, gold, folder):
    return fit_to_gold(labeler, gold, Labeling(labeler="compact", adapt=True), folder)


def test_a_decoder_that_is_better_is_kept(few_steps, tmp_path):
    labeler = small_sam()
    fitted = adapted(labeler, gold_set("points"), tmp_path)  # points give crop nothing to look at
    card = fitted.card
    assert set(card.dice) == {"before", "decoder", "after"}
    assert card.dice["after"] == card.dice["decoder"] > card.dice["before"]
    assert card.training["dice_by_steps"]["0"] == card.dice["before"]
    assert card.dice["after"] == max(card.training["dice_by_steps"].values())
    assert card.dropped == ""
    assert set(fitted.weights) == {"fold-0", "fold-1", "all"}
    assert {name.split(".")[0] for name in fitted.weights["all"]} == {"mask_decoder", "prompt_encoder"}
    made = labeler_for(fitted, labeler)
    assert made.name == "compact+adapted"
    assert made.provenance("i1")["member"] == "fold-1"
    assert "averaged_with" not in made.provenance("i1")


def test_an_average_that_is_better_is_kept(few_steps, tmp_path):
    labeler = small_sam()
    fitted = adapted(labeler, gold_set(), tmp_path)
    dice = fitted.card.dice
    assert dice["after"] == dice["averaged"] > dice["decoder"] > dice["before"]
    fitted.save(tmp_path / "fitted")
    shown = f"before {dice['before']:.3f}, decoder fine-tuned {dice['decoder']:.3f}, averaged with crop"
    told = f"Dice on gold by cross-validation {dice['after']:.3f} ({shown} {dice['averaged']:.3f})"
    assert FittedLabeler.load(tmp_path / "fitted").card.told() == told
    made = labeler_for(fitted, labeler)
    assert made.provenance("i1")["averaged_with"] == "crop"

    exams = exams_on(gold_set())
    assert mean_exam_dice(exams, made.segment([exam.target for exam in exams])) == dice["averaged"]
    state = fitted.weights["fold-1"]
    crop = CropLabeler(1, "cpu", "fp32").with_network(
        {name[len("crop.") :]: value for name, value in state.items() if name.startswith("crop.")}
    )
    sam = labeler.with_decoder({name: value for name, value in state.items() if not name.startswith("crop.")})
    target = exams[2].target
    assert target.image_id == "i1"
    parts = [one.segment([target])[0].probabilities for one in (sam, crop)]
    np.testing.assert_allclose(made.segment([target])[0].probabilities, np.mean(parts, axis=0), atol=1e-6)


def test_an_average_needs_no_better_decoder(few_steps, tmp_path, monkeypatch):
    labeler = small_sam()
    same = labeler.decoder_state()
    monkeypatch.setattr(adaptation, "fine_tune", lambda _l, _ls, steps, *_: dict.fromkeys(steps, same))
    fitted = adapted(labeler, gold_set(), tmp_path)
    assert fitted.card.dice["averaged"] > fitted.card.dice["decoder"] == fitted.card.dice["before"]
    assert fitted.card.training["steps"] == 0
    assert {name.split(".")[0] for name in fitted.weights["all"]} == {"crop"}
    assert "decoder_digest" not in labeler_for(fitted, labeler).provenance("i0")


def test_an_adaptation_that_is_no_better_is_dropped(few_steps, tmp_path, monkeypatch, capsys):
    labeler = small_sam()
    same = labeler.decoder_state()
    monkeypatch.setattr(adaptation, "fine_tune", lambda _l, _ls, steps, *_: dict.fromkeys(steps, same))
    monkeypatch.setattr(averaging, "average", lambda made, _other: made)
    fitted = adapted(labeler, gold_set(), tmp_path)
    assert not fitted.weights
    assert labeler_for(fitted, labeler) is labeler
    assert fitted.card.dice["after"] == fitted.card.dice["before"]
    assert fitted.card.dropped.count(f"{fitted.card.dice['before']:.3f}") == 2
    assert "dropped" in capsys.readouterr().err


def test_others_learn_nothing(tmp_path):
    fitted = fit_to_gold(EllipseLabeler(1), gold_set(), Labeling(labeler="ellipse"), tmp_path)
    assert (fitted.card, fitted.weights) == (FittedCard("ellipse", "", Prompts()), {})
    with pytest.raises(InputError, match="no decoder"):
        fit_to_gold(EllipseLabeler(1), gold_set(), Labeling(labeler="ellipse", adapt=True), tmp_path)


def test_gold_without_an_object_cannot_teach(tmp_path):
    blank = [replace(image, mask=np.zeros_like(image.mask)) for image in gold_images()]
    with pytest.raises(InputError, match="no object"):
        fit_to_gold(CropLabeler(1, "cpu", "fp32"), GoldSet(blank, FOLDS, 1), Labeling(labeler="crop"), tmp_path)


def test_errors_and_prompts_come_from_the_coarse_model(few_steps, tmp_path):
    images = gold_images(round_ones=True)
    coarse = [image.mask[None].astype(np.float32) for image in images]
    bounds = bounds_from_masks([image.mask for image in images], 1, 0.5)

    def fit(name, labeler, prompts):
        settings = Labeling(labeler=name, prompts=prompts)
        return fit_labeler(labeler, images, coarse, FOLDS, bounds, settings, 7, tmp_path / name)

    (tmp_path / "crop").mkdir()
    crop = fit("crop", CropLabeler(1, "cpu", "fp32"), Prompts(margin=0.1, jitters=0))
    # boxes of the true masks, 10 % larger on every side: a pixel's rounding apart
    assert crop.card.training["errors"] == {"bias": pytest.approx(0.1, abs=0.01), "spread": 0.05}
    ellipse = fit("ellipse", EllipseLabeler(1), Prompts(auto=True, jitters=0))
    offered = {one["margin"] for one in ellipse.card.prompt_dice}
    assert ellipse.card.prompts.margin == min(offered) < max(offered)  # as the boxes are right
    assert not ellipse.card.prompts.auto


def test_grabcut_takes_off_the_margin_that_was_chosen_and_says_so(tmp_path):
    """The settings grow boxes by .05, the prompts that gold chose by .3."""
    image, mask = np.full((64, 96, 3), 128, np.uint8), np.zeros((64, 96), np.uint8)
    mask[20:40, 30:60] = 1
    row = ImageRow("a", "g", "", "sha", 64, 96)
    gold = write_table(tmp_path / "gold", [row.with_label("gold", MaskRef(png=encode_mask(mask)), {})])
    auto = Labeling(labeler="grabcut", prompts=Prompts(auto=True, jitters=0))
    fitted = FittedLabeler(FittedCard("grabcut", "", Prompts(margin=0.3, jitters=0)))
    chain = configured_chain(Settings(task="any", labeling=auto), gold, MaskPrompts(1), fitted)
    assert chain.recipe()["labeler"]["margin"] == 0.3
    seen = mask[None].astype(np.float32)
    bounds = bounds_from_masks([mask], 1, 0.5)
    target = Target("a", "sha", "g", image)
    labels = labels_of_gold(GrabCutLabeler(1, 0.05, 0), [GoldImage(target, mask)], [seen], bounds, chain.prompts)
    (expected,) = EllipseLabeler(1).segment([replace(target, prompts=(Prompt(1, (30, 20, 60, 40)),))])
    assert (labels[0].class_map() != expected.class_map()).mean() < 0.01


def test_gold_of_one_group_teaches_nothing_that_could_be_measured(tmp_path):
    images = [replace(image, target=replace(image.target, group_id="g0")) for image in gold_images()]
    one_group = GoldSet(images, {"g0": 0}, 1)
    settings = Labeling(labeler="crop")
    with pytest.raises(InputError, match="there is one group; add gold, or take a labeler that learns nothing"):
        fit_to_gold(CropLabeler(1, "cpu", "fp32"), one_group, settings, tmp_path)
    kept = fit_to_gold(small_sam(), one_group, Labeling(labeler="compact"), tmp_path)
    assert not kept.weights
