"""Coarse training: who saw what, where it stops, and the same again from the same seed."""

import numpy as np
import pytest

from medweave.segmentation.cross_validation import choose_snapshot, snapshots, train_coarse
from tests.segmentation.conftest import make_discs


def test_snapshots_go_from_two_fifths_to_the_end():
    assert snapshots(100, 4) == (40, 60, 80, 100)
    assert snapshots(100, 1) == (100,)
    assert snapshots(1, 4) == (1,)


@pytest.fixture
def seen(monkeypatch):
    """The groups that each trained member was given, in order."""
    from medweave.segmentation import cross_validation

    seen = []
    real_train = cross_validation.train

    def recorded(architecture, data, *rest):
        seen.append({row.group_id for row, drawn in zip(data.rows, data.drawn, strict=True) if drawn})
        return real_train(architecture, data, *rest)

    monkeypatch.setattr(cross_validation, "train", recorded)
    return seen


def test_each_member_judges_only_what_it_never_saw(tmp_path, seen, recipe, compute, discs):
    coarse = train_coarse(discs, ("disc",), recipe, compute, 0, tmp_path)
    assert len(coarse.members) == len(seen) == 2
    for row in discs.rows:
        member = coarse.unseen_member(row.group_id)
        assert member is not None
        assert row.group_id not in seen[member]
    assert seen[0] | seen[1] == {row.group_id for row in discs.rows}


@pytest.mark.parametrize("cross_fit", [True, False])
def test_other_labels_are_held_out_of_a_fold_each_if_asked_for(tmp_path, seen, recipe, compute, cross_fit):
    data = make_discs(9, gold=4)
    data.weights[8] = 0
    coarse = train_coarse(data, ("disc",), recipe, compute, 0, tmp_path, cross_fit)
    others = {"g4", "g5", "g6", "g7"}
    member_of = {group: coarse.unseen_member(group) for group in others}
    if cross_fit:
        assert sorted(member_of.values()) == [0, 0, 1, 1]
        assert all(group not in seen[member] and group in seen[1 - member] for group, member in member_of.items())
    else:
        assert set(member_of.values()) == {None}
        assert others <= seen[0] & seen[1]
    assert coarse.unseen_member("g8") is None and "g8" in seen[0] & seen[1]  # has no label to learn from
    gold = {"g0", "g1", "g2", "g3"}
    assert seen[0] & gold == gold - seen[1] and len(seen[0] & gold) == 2


def test_fewer_labels_than_folds_are_held_out_of_some(tmp_path, seen, recipe, compute):
    data = make_discs(4, gold=3)
    coarse = train_coarse(data, ("disc",), recipe.model_copy(update={"folds": 3}), compute, 0, tmp_path, cross_fit=True)
    assert ["g3" in groups for groups in seen].count(False) == 1
    assert "g3" not in seen[coarse.unseen_member("g3")]


def test_it_stops_early_only_for_a_lead_beyond_the_noise():
    last = np.array([0.50, 0.60, 0.70, 0.80])
    steady = np.stack(
        [np.add(last, [0.02, 0.03, 0.02, 0.03]), last - 0.1, last], axis=1
    )  # lead .025, standard error .003
    noisy = np.stack([np.add(last, [0.20, -0.15, 0.15, -0.10]), last], axis=1)  # lead .025, standard error .089
    assert choose_snapshot(steady, "abcd") == 0
    assert choose_snapshot(noisy, "abcd") == 1
    assert choose_snapshot(last[:, None], "abcd") == 0


def test_images_of_one_patient_are_not_independent_evidence_for_an_earlier_stop():
    """Leads of .05 on six images, of as many patients or of one, beside two of -.06 and -.04: a mean lead of .025."""
    last = np.full(8, 0.5)
    scores = np.stack([np.add(last, [0.05] * 6 + [-0.06, -0.04]), last], axis=1)
    assert choose_snapshot(scores, "abcdefgh") == 0  # standard error .016
    assert choose_snapshot(scores, "aaaaaabc") == 1  # standard error .028


def test_the_card_says_where_it_stopped_and_the_seed_repeats_it(tmp_path, recipe, compute, discs):
    coarse = train_coarse(discs, ("disc",), recipe, compute, 0, tmp_path)
    training = coarse.card.training
    assert [step for step, _ in training["out_of_fold_dice"]] == [2, 6]
    assert training["steps"] in (2, 6)
    assert training["stop_share"] == training["steps"] / 6
    assert "out-of-fold Dice" in coarse.curves()
    held_out = training["held_out_dice"]
    assert list(held_out) == [row.image_id for row, gold in zip(discs.rows, discs.gold, strict=True) if gold]
    curve = dict(training["out_of_fold_dice"])
    assert np.mean(list(held_out.values())) == pytest.approx(curve[training["steps"]])
    again = train_coarse(discs, ("disc",), recipe, compute, 0, tmp_path / "again")
    assert again.digest == coarse.digest


def test_there_are_no_more_folds_than_groups(tmp_path, recipe, compute):
    data = make_discs(3)
    coarse = train_coarse(data, ("disc",), recipe.model_copy(update={"folds": 5}), compute, 0, tmp_path)
    assert len(coarse.members) == 3
    assert sorted(coarse.card.training["folds"].values()) == [0, 1, 2]


def test_where_one_member_sees_all_no_label_is_held_out(tmp_path, seen, recipe, compute):
    coarse = train_coarse(make_discs(3, gold=1), ("disc",), recipe, compute, 0, tmp_path, cross_fit=True)
    assert seen == [{"g0", "g1", "g2"}]
    assert coarse.unseen_member("g1") is None


def test_of_one_group_there_is_one_member_and_nothing_is_measured(tmp_path, recipe, compute):
    coarse = train_coarse(make_discs(1), ("disc",), recipe, compute, 0, tmp_path)
    assert len(coarse.members) == 1
    assert coarse.card.training["stop_share"] == 1.0
    assert "out-of-fold Dice" not in coarse.curves()
