import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.data.splits import group_folds
from medweave.errors import InputError


def test_largest_groups_go_first_to_the_emptiest_fold():
    groups = ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"]
    folds = group_folds(groups, 2, seed=0)
    assert sorted(np.bincount(folds).tolist()) == [5, 5]
    assert folds[0] == folds[9] != folds[4] == folds[7]


def test_groups_of_one_item_give_folds_equal_to_within_one():
    folds = group_folds([f"patient{k}" for k in range(25)], 4, seed=3)
    assert sorted(np.bincount(folds).tolist()) == [6, 6, 6, 7]


def test_the_seed_decides_which_groups_meet():
    groups = [str(k) for k in range(30)]
    assert np.array_equal(group_folds(groups, 5, 1), group_folds(groups, 5, 1))
    assert not np.array_equal(group_folds(groups, 5, 1), group_folds(groups, 5, 2))


def test_fewer_groups_than_folds_are_refused():
    with pytest.raises(InputError, match=r"3 folds need at least 3 groups of images, there are 2"):
        group_folds(["a", "a", "b", "b"], 3, seed=0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(1, 6), st.integers(0, 5))
def test_no_group_is_cut_and_no_fold_is_empty(numbers, folds, seed):
    groups = [f"g{number}" for number in numbers]
    if len(set(groups)) < folds:
        return
    fold = group_folds(groups, folds, seed)
    assert set(fold.tolist()) == set(range(folds))
    for group in set(groups):
        assert len({int(f) for f, g in zip(fold, groups, strict=True) if g == group}) == 1
    sizes = np.bincount(fold)
    assert sizes.max() - sizes.min() <= max(groups.count(group) for group in groups)
