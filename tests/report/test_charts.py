"""Charts: marks stand where the numbers say."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.report import charts


def parse(markup):
    return ET.fromstring(str(markup))


def with_class(svg, name):
    return [element for element in svg.iter() if name in element.get("class", "").split()]


def texts(svg):
    return [element.text for element in svg.iter("text")]


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [([0.63, 0.78], 0.6, 0.8), ([0, 18], 0, 20), ([-0.03, 0.08], -0.05, 0.1), ([0.6, 0.7], 0.6, 0.7), ([5, 5], 5, 6)],
)
def test_nice_scale_has_round_ends(values, low, high):
    scale = charts.nice_scale(values, 0, 100)
    assert (scale.low, scale.high) == pytest.approx((low, high))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, min_value=None, width=32), max_size=5))
@settings(max_examples=200, deadline=None)
def test_nice_scale_holds_every_finite_value(values):
    scale = charts.nice_scale(values, 10, 90)
    assert scale.low < scale.high
    for value in filter(math.isfinite, values):
        assert 10 - 1e-6 <= scale(value) <= 90 + 1e-6
    assert 1 <= len(scale.ticks()) <= 12


def test_scale_maps_ends_and_middle():
    scale = charts.Scale(0.5, 1.5, 200, 0)
    assert (scale(0.5), scale(1.0), scale(1.5)) == (200, 100, 0)
    assert charts.Scale(0, 1, 0, 1).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_intervals_draw_whiskers_to_their_ends():
    row = charts.Interval("Final", "final", 0.7, 0.6, 0.8, "0.700 (0.600 to 0.800)")
    svg = parse(charts.intervals([row], "mean Dice"))
    left, middle, right = 12, charts.WIDTH / 2, charts.WIDTH - 12
    assert with_class(svg, "whisker")[0].get("d").startswith(f"M{left:.1f} ")
    assert with_class(svg, "whisker")[0].get("d").endswith(f"H{right:.1f}")
    assert float(with_class(svg, "marker")[0].get("cx")) == pytest.approx(middle)
    assert "0.700 (0.600 to 0.800)" in svg.get("aria-label")


def test_an_interval_without_ends_is_a_dot():
    svg = parse(charts.intervals([charts.Interval("Final", "final", 0.7, None, None, "0.700")], "mean Dice"))
    assert len(with_class(svg, "marker")) == 1
    assert not with_class(svg, "whisker")


@pytest.mark.parametrize(("mean", "reach"), [(0.05, 0.01), (-0.05, 0.01), (0.0, 0.01), (0.0, 0.0)])
def test_a_difference_always_shows_zero_and_both_sides(mean, reach):
    row = charts.Interval("Difference", "delta", mean, mean - reach, mean + reach, "")
    svg = parse(charts.intervals([row], "difference", ("gold-only better", "final better")))
    assert 100 < float(with_class(svg, "zero")[0].get("x1")) < charts.WIDTH - 100
    assert {"← gold-only better", "final better →"} <= set(texts(svg))


def test_scatter_counts_and_places():
    svg = parse(charts.scatter([("a", 0.0, 1.0), ("b", 0.5, 0.25), ("c", 0.5, 0.5)]))
    assert {"final better: 1", "gold-only better: 1"} <= set(texts(svg))
    dots = {dot.find("title").text[0]: (float(dot.get("cx")), float(dot.get("cy"))) for dot in svg.iter("circle")}
    assert dots["a"] == (56, 10)
    assert dots["b"] == (56 + 160, 10 + 240)
    assert [dot.get("class") for dot in svg.iter("circle")] == ["dot gain", "dot loss", "dot gain"]


def test_scatter_of_very_many_images_stays_small_but_counts_them_all():
    svg = parse(charts.scatter([(str(k), 0.4, 0.5) for k in range(5001)]))
    assert len(list(svg.iter("circle"))) <= charts.MAX_POINTS
    assert "final better: 5001" in texts(svg)


def test_calibration_draws_intervals_and_marks_what_they_miss():
    svg = parse(charts.calibration([("in", 0.5, 0.25, 1.0, 0.75), ("out", 0.5, 0.25, 0.75, 0.0)]))
    inside, outside = with_class(svg, "calibrated")
    assert inside.get("class") == "calibrated" and outside.get("class") == "calibrated missed"
    dot = inside.find("circle")
    assert (float(dot.get("cx")), float(dot.get("cy"))) == (56 + 160, 10 + 80)
    assert inside.find("path").get("d") == f"M{56 + 80:.1f} {10 + 80:.1f}H{56 + 320:.1f}"
    assert "interval holds the true Dice of 1." in svg.get("aria-label")


def test_decision_bar_is_cut_in_proportion():
    svg = parse(charts.decision_bar("Weak labels", {"accept": 60, "review": 30, "reject": 10}))
    bar = [float(r.get("width")) for r in with_class(svg, "decision") if r.get("height") == "22"]
    assert bar == pytest.approx(
        [0.6 * (charts.WIDTH - 2), 0.3 * (charts.WIDTH - 2), 0.1 * (charts.WIDTH - 2)], abs=0.06
    )
    assert texts(svg)[1:] == ["60 accepted", "30 to review", "10 rejected"]


def test_decision_bar_of_nothing():
    assert "0 accepted" in texts(parse(charts.decision_bar("Weak labels", {"accept": 0, "review": 0, "reject": 0})))


def test_histogram_stacks_decisions():
    values = [(0.62, "accept")] * 6 + [(0.62, "review")] * 2 + [(1.0, "accept"), (1.2, "accept"), (0.0, "reject")]
    svg = parse(charts.dice_histogram(values))
    bars = {bar.find("title").text: bar for bar in svg.iter("rect")}
    accept, review = bars["0.60–0.65: 6 accepted"], bars["0.60–0.65: 2 to review"]
    assert float(accept.get("height")) == pytest.approx(3 * float(review.get("height")), abs=0.2)
    assert float(review.get("y")) + float(review.get("height")) == pytest.approx(float(accept.get("y")), abs=0.11)
    assert {"0.95–1.00: 2 accepted", "0.00–0.05: 1 rejected"} <= set(bars)


def test_spread_marks_the_median_and_what_drifted():
    svg = parse(charts.spread({"gold": [0, 1, 2, 3, 4], "weak": [4, 5, 6, math.nan]}, ["weak"], "pieces"))
    assert {"2", "5 ▲"} <= set(texts(svg))
    assert "gold median 2; weak median 5" in svg.get("aria-label")


def test_lines_skip_what_is_not_finite_and_name_the_last_value():
    svg = parse(charts.lines({"final": [(10, 1.0), (20, math.nan), (30, 0.5)], "baseline": [(10, math.inf)]}, "loss"))
    curve = with_class(svg, "curve")
    assert len(curve) == 1
    assert curve[0].find("path").get("d").count("L") == 1
    assert "final 0.5" in texts(svg)


def test_hostile_names_are_escaped():
    name = "</svg><script>alert(1)</script>\"'&"
    for markup in (
        charts.scatter([(name, 0.1, 0.2)]),
        charts.calibration([(name, 0.1, 0.0, 0.2, 0.2)]),
        charts.spread({name: [1.0, 2.0]}, [name], name),
        charts.lines({name: [(1, 1.0)]}, name),
        charts.decision_bar(name, {"accept": 1}),
        charts.intervals([charts.Interval(name, "x", 0.5, None, None, name)], name),
    ):
        assert "<script" not in markup
        assert name in "".join(parse(markup).itertext())
