"""Prometheus metrics of the monitored tasks, in its text format, for node_exporter's textfile collector or a scrape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from medweave.config import Settings
from medweave.monitoring.store import Batch, BatchStore
from medweave.monitoring.versions import Version
from medweave.quality import LEVELS

FILE = "medweave.prom"
Sample = tuple[Mapping[str, str], float]


def write_metrics(store: BatchStore, versions: Sequence[Version], settings: Settings) -> None:
    """Write `medweave.prom` into the task's folder, aside and then renamed."""
    with store.lock():
        batches = store.batches()
        aside = store.root / f".{FILE}.part"
        aside.write_text(exposition(settings.task, batches, versions), encoding="utf-8")
        aside.replace(store.root / FILE)


def exposition(task: str, batches: Sequence[Batch], versions: Sequence[Version]) -> str:
    """The metrics as text (Prometheus exposition format 0.0.4); a metric without samples is left out."""
    lines = []
    for name, text, samples in _metrics(task, batches, versions):
        told = [f"medweave_{name}{_labels(labels)} {value!r}" for labels, value in samples]
        if told:
            lines += [f"# HELP medweave_{name} {text}", f"# TYPE medweave_{name} gauge", *told]
    return "\n".join(lines) + "\n"


def _metrics(
    task: str, batches: Sequence[Batch], versions: Sequence[Version]
) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    of = {"task": task}
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
    yield (
        "labels",
        "Labels of the newest version, by source and decision.",
        [
            ({**of, "source": source, "decision": decision}, float(count))
            for version in versions[-1:]
            for source, (learned, made) in version.labels.items()
            for decision, count in (("accepted", learned), ("not_accepted", made - learned))
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
        "When the version in use was promoted.",
        [(of, (v.promoted_at or v.made).timestamp()) for v in versions if v.champion],
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
