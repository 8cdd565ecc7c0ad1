"""Coarse training: who saw what, where it stops, and the same again from the same seed."""

import numpy as np

from medweave.segmentation.cross_validation import snapshots, train_coarse


def test_snapshots_go_from_two_fifths_to_the_end():
    assert snapshots(100, 4) == (40, 60, 80, 100)
    assert snapshots(100, 1) == (100,)
    assert snapshots(1, 4) == (1,)


def test_each_member_judges_only_what_it_never_saw(tmp_path, monkeypatch, recipe, compute, discs):
    from medweave.segmentation import cross_validation

    seen = []
    real_train = cross_validation.train

    def recorded(architecture, data, *rest):
        seen.append({row.group_id for row in data.rows})
        return real_train(architecture, data, *rest)

    monkeypatch.setattr(cross_validation, "train", recorded)
    coarse = train_coarse(discs, ("disc",), recipe, compute, 0, tmp_path)
    assert len(coarse.members) == len(seen) == 2
    for row in discs.rows:
        member = coarse.unseen_member(row.group_id)
        assert member is not None
        assert row.group_id not in seen[member]
    assert seen[0] | seen[1] == {row.group_id for row in discs.rows}


def test_it_stops_where_out_of_fold_dice_is_best(tmp_path, recipe, compute, discs):
    coarse = train_coarse(discs, ("disc",), recipe, compute, 0, tmp_path)
    curve = coarse.card.training["out_of_fold_dice"]
    assert [step for step, _ in curve] == [2, 6]
    best = max(curve, key=lambda point: point[1])[0]
    assert coarse.card.training["steps"] == best
    assert coarse.card.training["stop_share"] == best / 6
    assert "out-of-fold Dice" in coarse.curves()
    again = train_coarse(discs, ("disc",), recipe, compute, 0, tmp_path / "again")
    assert again.digest == coarse.digest
    assert np.isfinite([value for _, value in curve]).all()
