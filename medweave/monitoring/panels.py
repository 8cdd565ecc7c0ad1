"""The tabs and panels of a task's dashboard in Evidently."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evidently.sdk.models import DashboardModel

Series = Mapping[str, str]
"""Column to legend."""

VERDICTS = "Verdicts"
TABS: Mapping[str, Sequence[tuple[str, str, Series]]] = {
    VERDICTS: (
        ("Verdict of each batch", "0 ok, 1 watch, 2 drift", {"verdict": "verdict"}),
        ("Columns that moved", "comparisons of each batch", {"drift": "drift", "watch": "watch"}),
        ("Images of each batch", "", {"images": "images"}),
    ),
    "Retraining": (
        ("Mean test Dice of each version", "", {"dice": "final", "gold_only": "gold only"}),
        ("Promoted", "1 where the version became the champion", {"promoted": "promoted"}),
    ),
}
GROUPS: Mapping[str, tuple[str, str]] = {
    "Images": ("image.", "mean of each batch"),
    "Model": ("model.", "mean of each batch"),
    "Decisions": ("learned ", "share of the made labels that a version learned from"),
    "Drift scores": ("effect ", "effect against the training images, −1 to 1"),
}
LABELS: Mapping[str, str] = {"champion": "by the champion", "given": "made elsewhere"}


def dashboard(names: Sequence[str], identity: Callable[[str], uuid.UUID]) -> DashboardModel:
    """The dashboard of the columns `names`; `identity` names tabs and panels the same every time.

    Each tab begins with its name as a panel: Evidently's own UI shows the panels of all tabs on one page.
    """
    from evidently.sdk.models import DashboardModel, DashboardPanelPlot, DashboardTabModel, PanelMetric

    def panel(tab: str, title: str, subtitle: str, series: Sequence[tuple[str, str, Sequence[str]]]) -> Any:
        values = [
            PanelMetric(legend=legend, tags=list(tags), metric="MeanValue", metric_labels={"column": column})
            for column, legend, tags in series
        ]
        return DashboardPanelPlot(
            id=identity(f"panel {tab} {title}"),
            title=title,
            subtitle=subtitle,
            size="half",
            values=values,
            plot_params={"plot_type": "line"},
        )

    def heading(tab: str) -> Any:
        plot = {"plot_type": "text"}
        return DashboardPanelPlot(
            id=identity(f"heading {tab}"), title=tab, subtitle="", size="full", values=[], plot_params=plot
        )

    def told(name: str) -> str:
        return name.replace(".", ": ").replace("_", " ").capitalize()

    tabs: dict[str, list[Any]] = {
        tab: [panel(tab, name, words, [(c, legend, ()) for c, legend in series.items()]) for name, words, series in of]
        for tab, of in TABS.items()
    }
    tabs["Labels"] = [
        panel("Labels", told(name), "mean of each batch", [(name, words, [tag]) for tag, words in LABELS.items()])
        for name in names
        if name.startswith("label.")
    ]
    for tab, (prefix, subtitle) in GROUPS.items():
        tabs[tab] = [
            panel(tab, told(name.removeprefix("effect ")), subtitle, [(name, subtitle.split()[0], ())])
            for name in names
            if name.startswith(prefix)
        ]
    order = (VERDICTS, "Labels", "Images", "Decisions", "Model", "Retraining", "Drift scores")
    shown = [(tab, [heading(tab), *tabs[tab]]) for tab in order if tabs[tab]]
    return DashboardModel(
        tabs=[
            DashboardTabModel(id=identity(f"tab {tab}"), title=tab, panels=[one.id for one in of]) for tab, of in shown
        ],
        panels=[one for _, of in shown for one in of],
    )
