"""Evidently's page of label drift, with the verdicts of our own test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.core.metric_types import SingleValue, SingleValueCalculation, SingleValueMetric
from evidently.legacy.calculations.stattests import StatTest, register_stattest
from evidently.legacy.core import ColumnType
from evidently.legacy.renderers.html_widgets import table_data
from evidently.metrics import ValueDrift

if TYPE_CHECKING:
    from medweave.quality.drift import FeatureDrift

TEST = "medweave_permutation"
COLUMNS = ("labels", "feature", "median", "gold median", "Cliff's delta", "of spread", "adjusted p", "verdict")


class DriftedFeatures(SingleValueMetric):  # type: ignore[misc]
    """How many features drifted, shown as the table of all of them."""

    drifted: int
    rows: list[list[str]]


class DriftedFeaturesCalculation(SingleValueCalculation[DriftedFeatures]):  # type: ignore[misc]
    """Hands Evidently what was computed before."""

    def calculate(self, context: Any, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:  # noqa: ARG002
        """The number of drifted features, with the table as its picture."""
        value = self.result(self.metric.drifted)
        value.widget = [table_data(title="Labels against gold", column_names=COLUMNS, data=self.metric.rows)]
        return value

    def display_name(self) -> str:
        """Its name among Evidently's metrics."""
        return "Features that drifted"


def render_drift(
    frames: Mapping[str, pd.DataFrame],
    drift: Mapping[str, Sequence[FeatureDrift]],
    skipped: Mapping[str, str],
    threshold: float,
) -> str:
    """One Evidently report with a column a (source, feature), so that its 3.7 MB of scripts come once.

    Its scores are the adjusted p-values of `drift`, and what it calls drift is what `drift` does.
    """
    found = {f"{source} labels: {one.feature}": (source, one) for source, features in drift.items() for one in features}
    current, reference = (
        pd.DataFrame(
            {name: frames[which or source][one.feature].reset_index(drop=True) for name, (source, one) in found.items()}
        )
        for which in (None, "gold")
    )
    register_stattest(
        StatTest(TEST, "permutation test of Cliff's delta, adjusted by Holm", [ColumnType.Numerical]),
        lambda _, values, kind, level: (found[values.name][1].p, found[values.name][1].drifted),  # noqa: ARG005
    )
    rows = [_row(source, one) for source, one in found.values()]
    rows += [[source, "", "", "", "", "", "", reason] for source, reason in skipped.items()]
    metrics = [
        DriftedFeatures(drifted=sum(one.drifted for _, one in found.values()), rows=rows),
        *(ValueDrift(column=name, method=TEST, threshold=threshold) for name in found),
    ]
    columns = DataDefinition(numerical_columns=list(found))
    snapshot = Report(metrics, include_tests=True).run(
        Dataset.from_pandas(current, columns), Dataset.from_pandas(reference, columns), name="Labels against gold"
    )
    html: str = snapshot.get_html_str(as_iframe=False)
    return html


def _row(source: str, one: FeatureDrift) -> list[str]:
    numbers = (
        f"{one.median:.3g}",
        f"{one.gold_median:.3g}",
        f"{one.effect:+.2f}",
        f"{one.spread:+.2f}",
        f"{one.p:.4f}",
    )
    return [source, one.feature, *numbers, f"drifted: {one.way}" if one.drifted else "no drift"]
