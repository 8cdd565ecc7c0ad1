"""The report's charts as SVG files that stand alone, for MLflow's page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from medweave.report import charts
from medweave.report.content import ReportContent

NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'


def plots(content: ReportContent) -> dict[str, str]:
    """File name → SVG: Dice of each test image before and after, predicted against true Dice, predicted Dice."""
    drawn: Mapping[str, Markup | None] = {
        "dice-per-image.svg": charts.scatter(content.per_image) if content.per_image else None,
        "calibration.svg": charts.calibration(points) if (points := content.calibration.get("points")) else None,
        "predicted-dice.svg": charts.dice_histogram(content.predicted_dice) if content.predicted_dice else None,
    }
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return {name: _alone(str(svg), style) for name, svg in drawn.items() if svg}


def _alone(svg: str, style: str) -> str:
    head, _, rest = svg.partition(">")
    return f"{head}{NAMESPACE}><style>{style.replace('<', '&lt;')}</style>{rest}"
