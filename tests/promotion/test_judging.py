"""The gate over recorded and measured scores, in a real registry; the way back predicts the same bytes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medweave import promotion
from medweave.config import Compute, Data, Promotion, Segmentation, Settings
from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.subgroups import subgroups
from medweave.errors import InputError
from medweave.promotion.card import render_card
from medweave.promotion.scores import FOLDER, scores_of, write_scores
from medweave.segmentation import Evaluation, ImageScore, Segmenter, evaluate_segmenter
from medweave.segmentation.folder import predict_folder
from medweave.tracking import PromotionDecision, RunRecord, get_version, log_run, register_model, resolve_model

NAME = "medweave-demo"
IMAGES = 30
SMALL = 10
"""Images 0 to 9 have the smallest lesions."""
SETTINGS = Settings(task="demo", compute=Compute(device="cpu", precision="fp32", threads=1))
GOLD_ONLY = [0.6] * IMAGES
TAGS = {
    "labels.gold": "5 of 5", "labels.weak": "15 of 20", "check.validation": "passed", "check.calibration": "passed",
    "check.drift": "accepted labels are unlike gold in area_share",
}  # fmt: skip


def scores(dice):
    return Evaluation(tuple(ImageScore(f"i{k}", f"i{k}", d, d, d, 1.0, 0.0) for k, d in enumerate(dice)))


@pytest.fixture
def test_set(tmp_path):
    rows = [
        ImageRow(f"i{k}", f"i{k}", f"i{k}.png", f"sha{k}", 8, 8, features={"foreground_share": (k + 1) / IMAGES})
        for k in range(IMAGES)
    ]
    return write_table(tmp_path / "test", rows)


@pytest.fixture
def register(client, test_set, tmp_path):
    """Register a version whose scores on the test set are on record."""

    def register(dice, gold_only=GOLD_ONLY):
        number = len(list(tmp_path.glob("run*"))) + 1
        folder, segmenter = tmp_path / f"run{number}" / FOLDER, tmp_path / f"segmenter{number}"
        write_scores(folder, "final", test_set, scores(dice))
        write_scores(folder, "gold_only", test_set, scores(gold_only))
        segmenter.mkdir()
        (segmenter / "card.json").write_text("{}")
        run_id = log_run(client, RunRecord("demo", artifacts=[folder]))
        return register_model(
            client, run_id, NAME, segmenter, model_digest=f"m{number}", evaluation_digest="e", tags=TAGS
        )

    return register


def challenge(client, version, test_set, forced=None, **rule):
    settings = SETTINGS.model_copy(update={"promotion": Promotion(**rule)})
    return promotion.promote(client, promotion.judge(client, version, test_set, settings), forced)


def champion_version(client):
    return int(client.get_registered_model(NAME).aliases["champion"])


HARMED = [0.6] * SMALL + [0.8] * (IMAGES - SMALL)
"""Better than 0.7 by 0.033 over all, worse by 0.1 on small lesions."""


@pytest.mark.parametrize(
    ("dice", "promoted", "reason"),
    [
        ([0.75] * IMAGES, True, "Promoted: it beat gold-only training"),
        ([0.7] * IMAGES, True, "and is not worse than the champion by more than 0.02"),
        ([0.65] * IMAGES, False, "it may be worse than the champion by more than 0.02"),
        (HARMED, False, "on the 10 images of lesion_size small it is worse than the champion by more than 0.05"),
    ],
    ids=["better", "equal", "worse", "subgroup harmed"],
)
def test_the_champion_moves_only_when_the_gate_says_so(client, register, test_set, dice, promoted, reason):
    first = register([0.7] * IMAGES)
    assert challenge(client, first, test_set).promoted
    second = register(dice)
    made = challenge(client, second, test_set, margin=0.02)
    assert made.promoted is promoted
    assert reason in made.reason
    assert champion_version(client) == (2 if promoted else 1)
    expected = float(np.mean(dice) - 0.7)
    assert made.numbers["delta_champion.mean"] == pytest.approx(expected)
    assert made.numbers["delta_gold_only.mean"] == pytest.approx(expected + 0.1)
    assert made.numbers["subgroup.lesion_size small.mean"] == pytest.approx(np.mean(dice[:SMALL]) - 0.7)
    assert (made.numbers["share_weak"], made.numbers["share_synthetic"]) == (0.75, 0.0)
    assert json.loads(get_version(client, NAME, 1).tags["challenged_by.2"])["reason"] == made.reason
    assert made.reason in client.get_model_version(NAME, "2").description.replace("\\", "")


def test_the_first_challenger_must_beat_gold_only_training(client, register, test_set):
    made = challenge(client, register([0.6] * IMAGES), test_set)
    assert not made.promoted
    assert "it did not surely beat gold-only training" in made.reason
    assert dict(client.get_registered_model(NAME).aliases) == {"challenger": 1}


def test_force_promotes_with_the_reason_on_record(client, register, test_set):
    made = challenge(client, register([0.5] * IMAGES), test_set, forced="the only one we have")
    assert made.promoted
    tags = get_version(client, NAME, 1).tags
    assert tags["promotion.reason"].startswith("Promoted by force (the only one we have), although: Not promoted: ")
    assert champion_version(client) == 1


def test_a_check_that_is_asked_for_and_failed_stops_it(client, register, test_set):
    made = challenge(client, register([0.8] * IMAGES), test_set, checks=("drift",))
    assert "the drift check did not pass: accepted labels are unlike gold in area_share" in made.reason


def test_too_many_weak_labels_stop_it(client, register, test_set):
    made = challenge(client, register([0.8] * IMAGES), test_set, max_weak=0.7)
    assert "75% of its labels are weak and at most 70% may be" in made.reason


def test_a_model_card_is_kept_for_each_version(client, register, test_set):
    version = register([0.8] * IMAGES)
    challenge(client, version, test_set)
    folder = Path(client.download_artifacts(version.run_id, ""))
    card = (folder / "model_card.md").read_text()
    assert "# medweave-demo version 1" in card
    assert "Promoted: it beat gold-only training" in card
    assert "<h1>medweave-demo version 1</h1>" in (folder / "model_card.html").read_text()


@pytest.mark.parametrize(
    ("segmentation", "line"),
    [
        (Segmentation(image_size=96), "| network | Compact, 96 pixels |"),
        (Segmentation(architecture="Unet", encoder="resnet34"), "| network | Unet, resnet34, 160 pixels |"),
    ],
)
def test_the_card_names_an_encoder_where_there_is_one(segmentation, line):
    facts = {
        "task": "demo", "config": {"data": {"classes": ["lesion"]}, "segmentation": segmentation.model_dump()},
        "code": {"medweave": "0", "digest": "d"}, "config_digest": "c", "models": {"final": "m"}, "labels": {},
    }  # fmt: skip
    card = render_card({"model": NAME, "version": 1, "facts": facts, "tags": {}, "missing": []})
    assert line in card.splitlines()


def test_odd_text_in_a_reason_is_shown_as_it_is(client, register, test_set):
    from markdown_it import MarkdownIt

    odd = "<b>bold</b> | _a_ & > `b` \\ [c](d) #"
    version = register([0.5] * IMAGES)
    challenge(client, version, test_set, forced=odd)
    card = client.get_model_version(NAME, "1").description
    assert "\\>" not in card  # MLflow's page would show the backslash
    (line,) = [token for token in MarkdownIt("commonmark").parse(card) if odd[:3] in token.content]
    assert "".join(child.content for child in line.children).startswith(f"Promoted by force ({odd})")


def test_parts_are_thirds_and_columns(test_set, tmp_path):
    (tmp_path / "groups.csv").write_text("image_id,group_id,site\n" + "i0,p0,A\ni1,p1,B\ni2,p2,\nother,p3,C\n")
    data = Data(root=str(tmp_path))
    found = subgroups(test_set, ["image_size", "lesion_size", "site"], data)
    assert set(found) == {"lesion_size", "site"}  # all images are of one size
    assert found["site"] == {"i0": "A", "i1": "B"}
    parts = [found["lesion_size"][f"i{k}"] for k in range(IMAGES)]
    assert parts == ["small"] * 10 + ["medium"] * 10 + ["large"] * 10
    with pytest.raises(InputError, match="has no column 'age'"):
        subgroups(test_set, ["age"], data)


@pytest.fixture
def networks(tmp_path):
    """Two small networks with random weights, and their folders."""
    import torch

    from medweave.segmentation.networks import architecture_of, build_network
    from medweave.segmentation.segmenter import Card

    folders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        architecture = architecture_of(Segmentation(architecture="Unet", decoder_channels=(16, 8, 8, 8, 8)), classes=1)
        network = build_network(architecture).eval()
        with torch.no_grad():  # centre the logits, so that masks have both classes
            network.segmentation_head[0].bias -= network(torch.randn(1, 3, 32, 32)).median()
        folders.append(tmp_path / f"network{seed}")
        Segmenter(Card(architecture, ("lesion",), 32, "random", (99,)), [network], SETTINGS.compute).save(folders[-1])
    return folders


@pytest.fixture
def images(tmp_path):
    """A table of four images with masks, as files."""
    draw, rows = np.random.default_rng(0), []
    (tmp_path / "images").mkdir()
    for k in range(4):
        path = tmp_path / "images" / f"i{k}.png"
        Image.fromarray(draw.integers(0, 256, (32, 40, 3), np.uint8)).save(path)
        mask = tmp_path / f"mask{k}.png"
        Image.fromarray(draw.integers(0, 2, (32, 40), np.uint8) * np.uint8(255)).save(mask)
        row = ImageRow(f"i{k}", f"i{k}", str(path), f"sha{k}", 32, 40)
        rows.append(row.with_label("gold", MaskRef(uri=str(mask)), {"labeler": "expert"}, f"mask{k}"))
    return write_table(tmp_path / "table", rows)


def test_a_test_set_that_changed_is_measured_anew_and_put_on_record(client, networks, images, test_set, tmp_path):
    write_scores(tmp_path / "old" / FOLDER, "final", test_set, scores([0.9] * IMAGES))
    run_id = log_run(client, RunRecord("demo", artifacts=[tmp_path / "old" / FOLDER]))
    version = register_model(client, run_id, NAME, networks[0], model_digest="m", evaluation_digest="e")
    assert scores_of(client, version, "final", test_set, SETTINGS) == scores([0.9] * IMAGES)
    expected = evaluate_segmenter(Segmenter.load(networks[0], SETTINGS.compute), images, SETTINGS)
    assert scores_of(client, version, "final", images, SETTINGS) == expected
    assert len(client.list_artifacts(run_id, FOLDER)) == 2


def test_scores_of_other_code_are_not_compared_with(client, networks, images, tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("medweave.promotion.scores.code_digest", lambda *_: "of another version")
        write_scores(tmp_path / "old" / FOLDER, "final", images, scores([0.9] * 4))
    run_id = log_run(client, RunRecord("demo", artifacts=[tmp_path / "old" / FOLDER]))
    version = register_model(client, run_id, NAME, networks[0], model_digest="m", evaluation_digest="e")
    expected = evaluate_segmenter(Segmenter.load(networks[0], SETTINGS.compute), images, SETTINGS)
    assert scores_of(client, version, "final", images, SETTINGS) == expected


def test_rollback_predicts_the_same_bytes_as_before(client, networks, images, tmp_path):
    for number, folder in enumerate(networks, 1):
        run_id = log_run(client, RunRecord("demo"))
        register_model(client, run_id, NAME, folder, model_digest=f"m{number}", evaluation_digest="e")

    def predicted(when):
        segmenter = Segmenter.load(resolve_model(client, f"models:/{NAME}@champion"), SETTINGS.compute)
        predict_folder(segmenter, tmp_path / "images", tmp_path / when)
        return [path.read_bytes() for path in sorted((tmp_path / when).iterdir())]

    yes = PromotionDecision(True, "yes")
    promotion.promote(client, promotion.Judgement(get_version(client, NAME, 1), yes, None))
    before = predicted("before")
    promotion.promote(client, promotion.Judgement(get_version(client, NAME, 2), yes, 1))
    assert predicted("between") != before
    assert promotion.rollback(client, NAME, "harm seen").after == 1
    assert predicted("after") == before
