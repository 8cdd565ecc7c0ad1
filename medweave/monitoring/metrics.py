"""Prometheus metrics of the monitored tasks, in its text format, for node_exporter's textfile collector or a scrape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from medweave.config import Settings
from medweave.monitoring.reviewed import Reviewed
from medweave.monitoring.store import Batch, BatchStore
from medweave.monitoring.versions import Version
from medweave.quality import LEVELS
from medweave.writing import whole_file

FILE = "medweave.prom"
STATES = ("running", "completed", "failed")
Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True)
class RunState:
    """The newest run of a pipeline (`training`, `monitoring`): one of `STATES`, and when it began, in Unix seconds."""

    pipeline: str
    state: str
    began: float


def write_metrics(
    store: BatchStore,
    versions: Sequence[Version],
    reviewed: Mapping[str, Reviewed],
    runs: Sequence[RunState],
    settings: Settings,
) -> None:
    """Write `medweave.prom` into the task's folder, aside and then renamed."""
    with store.lock(), whole_file(store.root / FILE) as aside:
        text = exposition(settings.task, store.batches(), versions, reviewed, runs)
        aside.write_text(text, encoding="utf-8")


def exposition(
    task: str,
    batches: Sequence[Batch],
    versions: Sequence[Version],
    reviewed: Mapping[str, Reviewed],
    runs: Sequence[RunState],
) -> str:
    """The metrics as text (Prometheus exposition format 0.0.4); a metric without samples is left out."""
    of = {"task": task}
    lines = []
    for name, text, samples in (*_of_batches(of, batches, reviewed), *_of_models(of, versions, runs)):
        told = [f"medweave_{name}{_labels(labels)} {value!r}" for labels, value in samples]
        if told:
            lines += [f"# HELP medweave_{name} {text}", f"# TYPE medweave_{name} gauge", *told]
    return "\n".join(lines) + "\n"


def _of_batches(
    of: Mapping[str, str], batches: Sequence[Batch], reviewed: Mapping[str, Reviewed]
) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    last = batches[-1:]
    columns = [({**of, "column": one["column"], "against": one["against"]}, one) for b in last for one in _columns(b)]
    yield (
        "verdict",
        "Verdict on the last batch: 0 ok, 1 watch, 2 drift.",
        [(of, float(LEVELS.index(batch.verdict["level"]))) for batch in last],
    )
    yield "batch_images", "Images of the last batch.", [(of, float(batch.images)) for batch in last]
    yield "batch_timestamp_seconds", "When the last batch was judged.", [(of, _seconds(batch.time)) for batch in last]
    yield (
        "batches",
        "Batches by verdict.",
        [({**of, "verdict": level}, float(sum(batch.level == level for batch in batches))) for level in LEVELS],
    )
    yield (
        "drift_effect",
        "Effect (-1 to 1) of each column of the last batch.",
        [(labels, float(one["effect"])) for labels, one in columns],
    )
    yield (
        "drift_p",
        "Adjusted p of each column of the last batch.",
        [(labels, float(one["p"])) for labels, one in columns],
    )
    yield (
        "column_mean",
        "Mean of each column over the last batch.",
        [({**of, "column": name}, float(summary["mean"])) for batch in last for name, summary in batch.summary.items()],
    )
    known = [reviewed[batch.id] for batch in batches if batch.id in reviewed]
    yield (
        "true_dice",
        "Mean Dice of the newest batch that experts have drawn images of.",
        [(of, one.dice) for one in known[-1:]],
    )
    yield (
        "reviewed_images",
        "Images of that batch that experts have drawn.",
        [(of, float(r.images)) for r in known[-1:]],
    )


def _of_models(
    of: Mapping[str, str], versions: Sequence[Version], runs: Sequence[RunState]
) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    yield (
        "labels",
        "Labels made for the newest version, by source and decision.",
        [
            ({**of, "source": source, "decision": decision}, count)
            for version in versions[-1:]
            for source, decisions in version.decisions.items()
            for decision, count in decisions.items()
        ],
    )
    yield (
        "version_dice",
        "Mean test Dice of each version.",
        [({**of, "version": str(version.number)}, version.dice) for version in versions if version.dice is not None],
    )
    yield "champion_version", "Version in use.", [(of, float(v.number)) for v in versions if v.champion]
    yield (
        "champion_timestamp_seconds",
        "Since when the version in use is in use.",
        [(of, (v.promoted_at or v.made).timestamp()) for v in versions if v.champion],
    )
    yield (
        "run_state",
        "State of the newest run of each pipeline: 1 for the one that it is in.",
        [
            ({**of, "pipeline": run.pipeline, "state": state}, float(run.state == state))
            for run in runs
            for state in STATES
        ],
    )
    yield (
        "run_timestamp_seconds",
        "When the newest run of each pipeline began.",
        [({**of, "pipeline": run.pipeline}, run.began) for run in runs],
    )


def _columns(batch: Batch) -> Sequence[Mapping[str, str]]:
    columns: Sequence[Mapping[str, str]] = batch.verdict["columns"]
    return columns


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _labels(labels: Mapping[str, str]) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + "}"
