import numpy as np
import pytest

from medweave.data.leads import Lead, group_means, lead_over


def test_group_means_come_in_the_order_of_the_groups():
    assert group_means([1.0, 4.0, 3.0, 8.0], ["b", "a", "b", "c"]).tolist() == [2.0, 4.0, 8.0]
    rows = group_means([[1.0, 0.0], [3.0, 4.0], [5.0, 6.0]], ["a", "a", "b"])
    assert rows.tolist() == [[2.0, 2.0], [5.0, 6.0]]


def test_the_error_of_a_lead_is_over_groups():
    """Leads of .1, .2 and .6, mean .3, are off by -.3 in the first group and .3 in the other: sqrt(2 * .18) / 3."""
    lead = lead_over([0.5, 0.5, 0.5], [0.6, 0.7, 1.1], ["a", "a", "b"])
    assert (lead.mean, lead.standard_error) == pytest.approx((0.3, 0.2))


def test_images_that_are_the_same_twice_tell_no_more_than_once():
    lead = np.random.default_rng(0).random(9)
    once, twice = lead_over(np.zeros(9), lead, range(9)), lead_over(np.zeros(18), [*lead, *lead], [*range(9)] * 2)
    assert (twice.mean, twice.standard_error) == pytest.approx((once.mean, once.standard_error))


def test_with_an_image_a_group_it_is_the_standard_error_over_images():
    values = np.random.default_rng(0).random((2, 9))
    lead = values[1] - values[0]
    found = lead_over(values[0], values[1], list("abcdefghi"))
    assert (found.mean, found.standard_error) == pytest.approx((lead.mean(), lead.std(ddof=1) / 3))


def test_a_single_group_has_no_error():
    assert lead_over([0.0, 0.0], [0.25, 0.75], ["a", "a"]) == Lead(0.5, 0.0)
