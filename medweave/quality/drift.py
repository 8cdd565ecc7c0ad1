"""Do made labels look like gold ones? Evidently compares their features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medweave.data.table import ImageTable, LabelSource
from medweave.quality.features import FEATURES

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS = 5
FALSE_ALARMS = 0.05
"""How often a source that does not differ from gold may show any drifted feature (Bonferroni over features)."""


@dataclass(frozen=True)
class LabelReport:
    """Evidently's page and what it found.

    `html` is one self-contained page (about 4 MB, nearly all of it Evidently's scripts), or None when nothing could be
    compared. `drifted` maps source -> feature -> (p-value, drifted). `skipped` maps a source left out -> why.
    """

    html: str | None
    drifted: dict[str, dict[str, tuple[float, bool]]]
    skipped: dict[str, str]


def feature_frame(table: ImageTable, label_source: LabelSource) -> pd.DataFrame:
    """The label features of all rows with this label source, one column a feature, indexed by image_id.

    Rows without label features (see `measure_labels`) are left out.
    """
    import pandas as pd

    rows = [row for shard in table.shards(["features"]) for row in shard if row.label_source == label_source]
    measured = {row.image_id: row.features for row in rows if "components" in row.features}
    return pd.DataFrame.from_dict(measured, orient="index", columns=list(FEATURES), dtype=float)


def label_report(frames: Mapping[str, pd.DataFrame]) -> LabelReport:
    """Compare each source's label features with those of `frames["gold"]` by Kolmogorov-Smirnov tests.

    `frames` maps source -> frame as of `feature_frame`. A source of fewer than 5 rows is skipped, and all are when
    gold has fewer.
    """
    gold = frames["gold"]
    sources = {name: frame for name, frame in frames.items() if name != "gold"}
    rows = {
        name: (name, len(frame)) if len(gold) >= MIN_ROWS else ("gold", len(gold)) for name, frame in sources.items()
    }
    skipped = {
        name: f"only {count} {few} labels; {MIN_ROWS} are needed"
        for name, (few, count) in rows.items()
        if count < MIN_ROWS
    }
    compared = {
        (name, feature): f"{name} labels: {feature}"
        for name, frame in sources.items()
        if name not in skipped
        for feature in FEATURES
        if frame[feature].notna().any() and gold[feature].notna().any()
    }
    if not compared:
        return LabelReport(None, {}, skipped)
    return _report(gold, sources, compared, skipped)


def _report(
    gold: pd.DataFrame,
    sources: Mapping[str, pd.DataFrame],
    compared: Mapping[tuple[str, str], str],
    skipped: dict[str, str],
) -> LabelReport:
    """One Evidently report with a column a (source, feature), so that its 3.7 MB of scripts come once."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    names = [name for name, _ in compared]
    threshold = {name: FALSE_ALARMS / names.count(name) for name in set(names)}
    columns = DataDefinition(numerical_columns=list(compared.values()))
    reference = pd.DataFrame(
        {column: gold[feature].reset_index(drop=True) for (_, feature), column in compared.items()}
    )
    current = pd.DataFrame(
        {column: sources[name][feature].reset_index(drop=True) for (name, feature), column in compared.items()}
    )
    metrics = [
        ValueDrift(column=column, method="ks", threshold=threshold[name]) for (name, _), column in compared.items()
    ]
    snapshot = Report(metrics, include_tests=True).run(
        Dataset.from_pandas(current, columns), Dataset.from_pandas(reference, columns), name="Labels against gold"
    )
    drifted: dict[str, dict[str, tuple[float, bool]]] = {name: {} for name in names}
    for (name, feature), metric in zip(compared, snapshot.dict()["metrics"], strict=True):
        score = float(metric["value"])
        drifted[name][feature] = (score, score < threshold[name])
    return LabelReport(snapshot.get_html_str(as_iframe=False), drifted, skipped)
