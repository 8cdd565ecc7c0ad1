"""The charts as files that stand alone."""

import xml.etree.ElementTree as ET

from medweave.report import plots
from tests.report.test_page import bare, full

SVG = "{http://www.w3.org/2000/svg}"


def test_plots_are_svg_with_their_style_and_refer_to_nothing_outside():
    drawn = plots(full())
    assert set(drawn) == {"dice-per-image.svg", "calibration.svg", "predicted-dice.svg"}
    for svg in drawn.values():
        root = ET.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        assert root.find(f"{SVG}style").text
        assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_hostile_names_stay_text():
    svg = plots(full("<script>&"))["dice-per-image.svg"]
    assert not list(ET.fromstring(svg).iter(f"{SVG}script"))


def test_what_was_not_measured_is_not_drawn():
    assert "calibration.svg" not in plots(bare())
