"""New masks: from known ones, within gold's bounds, each from its own seed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.data import MaskRef
from medweave.data.masks import decode_mask, encode_mask, read_mask
from medweave.data.resizing import squash_mask
from medweave.errors import InputError
from medweave.synthesis import make_conditions
from medweave.synthesis.shapes import bounds_of


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_all_are_within_the_bounds_of_gold(rows, make_settings, seed):
    gold = [squash_mask(read_mask(row.mask, 1, 10_000), 16) for row in rows[:5]]
    bounds = bounds_of(gold, 1)
    for condition in make_conditions(rows, make_settings(), 8, seed):
        assert bounds.hold(condition.mask)
        assert set(condition.origin) <= {f"i{k}" for k in range(5)}
        assert len(condition.origin) == (2 if condition.change == "mixed" else 1)
        assert (decode_mask(condition.png) == condition.mask).all()


def test_each_depends_on_seed_and_place_alone(rows, make_settings):
    few, many, other = (make_conditions(rows, make_settings(), *how) for how in ((3, 7), (6, 7), (3, 8)))
    assert [c.digest for c in few] == [c.digest for c in many[:3]]
    assert [c.digest for c in few] != [c.digest for c in other]
    assert len({c.digest for c in many}) == 6


def test_accepted_masks_are_changed_others_are_not(rows, make_settings):
    decisions = ("accept", "review", "reject")
    weak = [
        replace(row, label_source="weak", decision=decision, mask=rows[4].mask)
        for row, decision in zip(rows[1:4], decisions, strict=True)
    ]
    made = make_conditions([rows[0], rows[4], *weak], make_settings(), 60, 0)
    origins = {name for condition in made for name in condition.origin}
    assert "i1" in origins and not origins & {"i2", "i3"}


@pytest.mark.parametrize("emptied", [True, False])
def test_without_a_foreground_in_gold_there_is_nothing_to_change(rows, make_settings, emptied):
    empty = MaskRef(png=encode_mask(np.zeros((40, 40), np.uint8)))
    given_rows = [replace(row, mask=empty) for row in rows[:5]] if emptied else rows[5:]
    with pytest.raises(InputError, match=r"no gold mask has a foreground.*synthesis\.conditional=false"):
        make_conditions(given_rows, make_settings(), 1, 0)
