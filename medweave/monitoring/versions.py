"""What retraining came to: the versions of the task's registered model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

Counted = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Version:
    """One version: when it was made, when last promoted or gone back to, how good it is.

    `dice` and `gold_only` are the mean test Dice of it and of training on gold alone (None: not known).

    `decisions` maps a label source to how many of its labels were accepted, to review and rejected (`accept`, `review`,
    `reject`), `labels` a source, `gold` among them, to the medians of its labels' features and the mean predicted Dice.
    """

    number: int
    made: datetime
    champion: bool
    promoted: bool
    promoted_at: datetime | None
    dice: float | None
    gold_only: float | None
    decisions: Counted = field(default_factory=dict)
    labels: Counted = field(default_factory=dict)


def versions_of(client: MlflowClient, name: str) -> list[Version]:
    """All versions of a registered model, oldest first; none before the first training."""
    from medweave.tracking import champion

    current = champion(client, name)
    found = []
    for version in client.search_model_versions(f"name='{name}'"):
        tags = version.tags
        metrics = client.get_run(version.run_id).data.metrics if version.run_id else {}
        at = max((tags[key] for key in ("promotion.time", "rollback.time") if key in tags), default=None)
        found.append(
            Version(
                number=int(version.version),
                made=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
                champion=current is not None and current.version == int(version.version),
                promoted=tags.get("promotion.decision") == "promoted",
                promoted_at=datetime.fromisoformat(at) if at else None,
                dice=_mean(tags.get("test_dice")),
                gold_only=_mean(tags.get("gold_only_dice")),
                decisions=_by_source(metrics, "decisions"),
                labels=_by_source(metrics, "labels"),
            )
        )
    return sorted(found, key=lambda version: version.number)


def _by_source(metrics: Mapping[str, float], kind: str) -> Counted:
    """Metrics named `kind/source/name` as source to name to value."""
    found: Counted = {}
    for key, value in metrics.items():
        first, _, rest = key.partition("/")
        source, _, name = rest.partition("/")
        if first == kind:
            found.setdefault(source, {})[name] = value
    return found


def _mean(told: str | None) -> float | None:
    return json.loads(told)["mean"] if told else None
