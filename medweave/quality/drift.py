"""Do made labels look like gold ones? Their features are compared; accepted labels that drifted can stop the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medweave.data.table import Decision, ImageTable, LabelSource
from medweave.errors import RunError
from medweave.quality.features import FEATURES, SHAPE_FEATURES
from medweave.quality.two_samples import Way, compare, holm

if TYPE_CHECKING:
    import pandas as pd

MIN_LABELS = 8
"""Of five against five even the largest difference has an adjusted p above 0.05; this is a little more."""
MAX_LABELS = 1000
"""The test looks at so many of a source, drawn at random: more find no difference that matters."""
FALSE_ALARMS = 0.05
"""How often a source whose labels are distributed as gold's may show any drifted feature."""
MADE: tuple[LabelSource, ...] = ("weak", "synthetic")
DECISIONS: Mapping[str, Decision] = {"accepted": "accept", "to review": "review", "rejected": "reject"}


@dataclass(frozen=True)
class FeatureDrift:
    """How a feature of one source's labels differs from gold's.

    `effect` and `spread` are Cliff's delta of the values and of their distances from the middle, -1..1, see
    `two_samples.Difference`. `p` is adjusted for the number of features. `way` says which of the two is the larger:
    higher or lower, wider or narrower.
    """

    feature: str
    gold_median: float
    median: float
    effect: float
    spread: float
    p: float
    way: Way
    drifted: bool


@dataclass(frozen=True)
class LabelReport:
    """Evidently's page and what was found.

    `html` is one self-contained page (about 4 MB, nearly all of it Evidently's scripts), or None when nothing could be
    compared. `drift` maps a source to its features; `skipped` maps a source with too few labels to the reason.
    """

    html: str | None
    drift: dict[str, list[FeatureDrift]]
    skipped: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """What was found, without the page, as plain mappings and lists."""
        return {
            "drift": {source: [asdict(found) for found in features] for source, features in self.drift.items()},
            "skipped": self.skipped,
        }


def feature_frame(table: ImageTable, label_source: LabelSource, decision: Decision | None = None) -> pd.DataFrame:
    """The label features of the rows with this label source (and decision), a column a feature, indexed by image_id.

    Rows without label features (see `measure_labels`) are left out.
    """
    import pandas as pd

    rows = [
        row for shard in table.shards(["features", "decision"]) for row in shard if row.label_source == label_source
    ]
    measured = {
        row.image_id: row.features
        for row in rows
        if "components" in row.features and (decision is None or row.decision == decision)
    }
    return pd.DataFrame.from_dict(measured, orient="index", columns=list(FEATURES), dtype=float)


def label_frames(gold: ImageTable, weak: ImageTable, synthetic: ImageTable | None = None) -> dict[str, pd.DataFrame]:
    """Label features by source: `gold`, all that was made (`weak`, `synthetic`) and the same by decision.

    The latter are named such as `weak accepted`. Made sources without labels are left out.
    """
    frames = {"gold": feature_frame(gold, "gold")}
    for source, table in zip(MADE, (weak, synthetic), strict=True):
        if table is None:
            continue
        frames[source] = feature_frame(table, source)
        frames |= {f"{source} {word}": feature_frame(table, source, decision) for word, decision in DECISIONS.items()}
    return {source: frame for source, frame in frames.items() if source == "gold" or len(frame)}


def drift_from_gold(
    frames: Mapping[str, pd.DataFrame], effect: float, seed: int
) -> tuple[dict[str, list[FeatureDrift]], dict[str, str]]:
    """Compare each source's label features with those of `frames["gold"]`: what was found, and who was skipped why.

    `frames` maps a source to a frame as of `feature_frame`. A feature has drifted when the difference is sure, by a
    permutation test adjusted for all features of the source (5 % false alarms a source), and matters: Cliff's delta of
    at least `effect` (0..1). Features of the label itself are compared. Those of its agreement with the coarse model
    are not: labels that this model prompted agree with it more than gold does, by construction. Images are taken as
    independent; with several of one patient p is too small.

    A source of fewer than 8 labels is skipped, and all are when gold has fewer; a feature with fewer known values is
    left out.
    """
    drift, skipped = {}, {}
    for source in (name for name in frames if name != "gold"):
        fewest = min(("gold", source), key=lambda name: len(frames[name]))
        if len(frames[fewest]) < MIN_LABELS:
            skipped[source] = f"only {len(frames[fewest])} {fewest} labels; {MIN_LABELS} are needed"
        elif found := _compared(frames["gold"], frames[source], effect, seed):
            drift[source] = found
    return drift, skipped


def label_report(frames: Mapping[str, pd.DataFrame], effect: float, seed: int) -> LabelReport:
    """What `drift_from_gold` finds, on a page."""
    drift, skipped = drift_from_gold(frames, effect, seed)
    if not drift:
        return LabelReport(None, {}, skipped)
    from medweave.quality.drift_page import render_drift

    return LabelReport(render_drift(frames, drift, skipped, FALSE_ALARMS), drift, skipped)


def act_on_drift(
    report: Mapping[str, Any], on_drift: Literal["warn", "stop", "ignore"], made: LabelSource = "weak"
) -> list[str]:
    """What to warn of `made` labels, a line a source; `report` is what `LabelReport.to_json` gave.

    Warned of are all made labels and the accepted ones, also where those were too few to compare. Only the accepted
    ones stop a run, as nothing else is trained on: keeping out what is unlike gold is what the gate is for. Labels to
    review and rejected ones differ by what they were chosen for, and are in the report alone. Raises RunError for
    accepted labels that drifted, with `stop`.
    """
    if on_drift == "ignore":
        return []
    lines = {
        source: f"{source} labels are unlike gold: {words}"
        for source in (made, f"{made} accepted")
        if (words := "; ".join(_words(report["drift"].get(source, ()))))
    }
    accepted = [line for source, line in lines.items() if source.endswith("accepted")]
    if accepted and on_drift == "stop":
        raise RunError(
            f"{'. '.join(accepted)}. Look at labels.html and mend the labeler or its prompts, "
            "or train on them with quality.on_drift=warn"
        )
    return [*lines.values(), *filter(None, [not_compared(report, made)])]


def not_compared(report: Mapping[str, Any], made: LabelSource = "weak") -> str | None:
    """Why the accepted ones of `made` labels were not compared with gold; None where they were, or there were none."""
    source = f"{made} accepted"
    reason = report["skipped"].get(source)
    return f"{source} labels could not be compared with gold: {reason}" if reason else None


def _words(features: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for found in features:
        if found["drifted"]:
            yield f"{found['feature']} {found['way']} (median {found['median']:.3g}, gold {found['gold_median']:.3g})"


def _compared(gold: pd.DataFrame, frame: pd.DataFrame, effect: float, seed: int) -> list[FeatureDrift]:
    known = {
        feature: (gold[feature].dropna().to_numpy(), frame[feature].dropna().to_numpy()) for feature in SHAPE_FEATURES
    }
    known = {feature: pair for feature, pair in known.items() if min(map(len, pair)) >= MIN_LABELS}
    rng = np.random.default_rng(seed)
    differences = [
        compare(rng.permutation(reference)[:MAX_LABELS], rng.permutation(values)[:MAX_LABELS], seed)
        for reference, values in known.values()
    ]
    adjusted = holm([difference.p for difference in differences])
    return [
        FeatureDrift(
            feature,
            float(np.median(reference)),
            float(np.median(values)),
            difference.effect,
            difference.spread,
            p,
            difference.way,
            p <= FALSE_ALARMS and difference.size >= effect,
        )
        for (feature, (reference, values)), difference, p in zip(known.items(), differences, adjusted, strict=True)
    ]
