"""The tabs and panels of a task's dashboard in Evidently."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evidently.sdk.models import DashboardModel

Series = Sequence[tuple[str, str, Sequence[str]]]
"""Columns with their legends, of the snapshots that have all these tags."""

TABS = ("Verdicts", "Labels", "Images", "Decisions", "Model", "Retraining", "Drift scores")
FIXED: Sequence[tuple[str, str, str, Mapping[str, str]]] = (
    ("Verdicts", "Verdict of each batch", "0 ok, 1 watch, 2 drift", {"verdict": "verdict"}),
    ("Verdicts", "Columns that moved", "comparisons of each batch", {"drift": "drift", "watch": "watch"}),
    ("Verdicts", "Images of each batch", "", {"images": "images"}),
    ("Model", "True Dice of each batch", "of the images that experts have drawn by now", {"true_dice": "true Dice"}),
    ("Retraining", "Mean test Dice of each version", "", {"dice": "final", "gold_only": "gold only"}),
    ("Retraining", "Promoted", "1 where the version became the champion", {"promoted": "promoted"}),
)
EACH: Sequence[tuple[str, str, str]] = (
    ("Images", "image.", "mean of each batch"),
    ("Model", "model.", "mean of each batch"),
    ("Drift scores", "effect ", "effect against the training images, −1 to 1"),
)
"""A panel a column: tab, prefix of the columns, subtitle."""
BY_SOURCE: Sequence[tuple[str, str, str, str]] = (
    ("Labels", "run ", "Labels of each training run: {}", "median by source"),
    ("Decisions", "decision ", "Decisions on {} labels", "share of those that each training run made"),
)
"""A panel for columns `<prefix><what>/<legend>`: tab, prefix, title, subtitle."""
MADE_BY: Mapping[str, str] = {"champion": "by the champion", "given": "made elsewhere"}


def dashboard(names: Sequence[str], identity: Callable[[str], uuid.UUID]) -> DashboardModel:
    """The dashboard of the columns `names`; `identity` names tabs and panels the same every time.

    Each tab begins with its name as a panel: Evidently's own UI shows the panels of all tabs on one page.
    """
    from evidently.sdk.models import DashboardModel, DashboardPanelPlot, DashboardTabModel, PanelMetric

    def panel(tab: str, title: str, subtitle: str, series: Series) -> Any:
        values = [
            PanelMetric(legend=legend, tags=list(tags), metric="MeanValue", metric_labels={"column": column})
            for column, legend, tags in series
        ]
        return DashboardPanelPlot(
            id=identity(f"panel {tab} {title}"),
            title=title,
            subtitle=subtitle,
            size="half" if series else "full",
            values=values,
            plot_params={"plot_type": "line" if series else "text"},
        )

    panels = {tab: [panel(tab, tab, "", ())] for tab in TABS}
    for tab, title, subtitle, series in _panels(names):
        panels[tab].append(panel(tab, title, subtitle, series))
    filled = {tab: of for tab, of in panels.items() if len(of) > 1}
    return DashboardModel(
        tabs=[
            DashboardTabModel(id=identity(f"tab {tab}"), title=tab, panels=[one.id for one in of])
            for tab, of in filled.items()
        ],
        panels=[one for of in filled.values() for one in of],
    )


def _panels(names: Sequence[str]) -> Iterator[tuple[str, str, str, Series]]:
    """Tab, title, subtitle and series of the panels that have any of these columns."""
    for tab, title, subtitle, legends in FIXED:
        if any(name in legends for name in names):
            yield tab, title, subtitle, [(name, legend, ()) for name, legend in legends.items()]
    for name in names:
        if name.startswith("label."):
            yield "Labels", _told(name), "mean of each batch", [(name, words, [tag]) for tag, words in MADE_BY.items()]
    for tab, prefix, subtitle in EACH:
        for name in names:
            if name.startswith(prefix):
                yield tab, _told(name.removeprefix("effect ")), subtitle, [(name, subtitle.split()[0], ())]
    for tab, prefix, title, subtitle in BY_SOURCE:
        found: dict[str, list[tuple[str, str, Sequence[str]]]] = {}
        for name in names:
            if name.startswith(prefix):
                what, _, legend = name.removeprefix(prefix).partition("/")
                found.setdefault(what, []).append((name, legend, ()))
        for what, series in found.items():
            yield tab, title.format(what.replace("_", " ")), subtitle, series


def _told(name: str) -> str:
    return name.replace(".", ": ").replace("_", " ").capitalize()
