"""summary.json: the contract of a run for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.data.table import Decision

PARTS: Mapping[str, Decision] = {"accepted": "accept", "review": "review", "rejected": "reject"}


def build_summary(
    run_id: str,
    settings: Settings,
    tables: Mapping[str, ImageTable],
    set_aside: int,
    gold_only: Mapping[str, Any],
    final: Mapping[str, Any],
    gain: Mapping[str, Any],
    model: Mapping[str, Any],
    seconds: Mapping[str, float],
    peak_rss_mb: int,
) -> dict[str, Any]:
    """The summary of a run; its `seconds` (`total`, `label`) and memory are those of now and final when it has ended.

    `tables` has `gold`, `unlabeled`, `test` and the checked `weak` and `synthetic` labels; `set_aside` counts the
    files that were found and not used; `gold_only` and `final` are `Evaluation.summary`, `gain` the paired difference
    in Dice, `model` the name, version, decision and reason.
    """
    return {
        "run_id": run_id,
        "config_digest": settings.digest(),
        "status": "completed",
        "data": {
            "gold": len(tables["gold"]),
            "unlabeled": len(tables["unlabeled"]),
            "synthetic": len(tables["synthetic"]),
            "test": len(tables["test"]),
            "rejected": set_aside,
        },
        "labels": {source: _count(tables[source]) for source in ("weak", "synthetic")},
        "test": {"gold_only": dict(gold_only), "final": dict(final)},
        "delta": {"dice": dict(gain)},
        "model": dict(model),
        "seconds": dict(seconds),
        "peak_rss_mb": peak_rss_mb,
        "report": "report.html",
    }


def _count(table: ImageTable) -> dict[str, int]:
    decided = table.decisions()
    return {"made": decided.total(), **{part: decided[decision] for part, decision in PARTS.items()}}
