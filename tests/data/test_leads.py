import numpy as np
import pytest

from medweave.data.leads import Lead, group_means, lead_over


def test_group_means_come_in_the_order_of_the_groups():
    assert group_means([1.0, 4.0, 3.0, 8.0], ["b", "a", "b", "c"]).tolist() == [2.0, 4.0, 8.0]
    rows = group_means([[1.0, 0.0], [3.0, 4.0], [5.0, 6.0]], ["a", "a", "b"])
    assert rows.tolist() == [[2.0, 2.0], [5.0, 6.0]]


def test_a_lead_counts_each_group_once():
    """Leads of .1 and .3 in one group, .4 in another: means .2 and .4, whose standard deviation is .2 / sqrt(2)."""
    lead = lead_over([0.5, 0.5, 0.5], [0.6, 0.8, 0.9], ["a", "a", "b"])
    assert (lead.mean, lead.standard_error) == pytest.approx((0.3, 0.1))


def test_with_an_image_a_group_it_is_the_standard_error_over_images():
    values = np.random.default_rng(0).random((2, 9))
    lead = values[1] - values[0]
    assert lead_over(values[0], values[1], list("abcdefghi")) == Lead(lead.mean(), lead.std(ddof=1) / 3)


def test_a_single_group_has_no_error():
    assert lead_over([0.0, 0.0], [0.25, 0.75], ["a", "a"]) == Lead(0.5, 0.0)
