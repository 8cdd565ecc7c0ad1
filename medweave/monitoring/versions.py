"""What retraining came to: the versions of the task's registered model."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

LEARNED = re.compile(r"(\d+) of (\d+)")


@dataclass(frozen=True)
class Version:
    """One version: when it was made and promoted, mean test Dice of it and of gold-only training (None: not known).

    `labels` maps a label source to how many of its labels were learned from and how many were made.
    """

    number: int
    made: datetime
    champion: bool
    promoted: bool
    promoted_at: datetime | None
    dice: float | None
    gold_only: float | None
    labels: dict[str, tuple[int, int]] = field(default_factory=dict)


def versions_of(client: MlflowClient, name: str) -> list[Version]:
    """All versions of a registered model, oldest first; none before the first training."""
    from medweave.tracking import champion

    current = champion(client, name)
    found = []
    for version in client.search_model_versions(f"name='{name}'"):
        tags = version.tags
        matches = {key: LEARNED.fullmatch(value) for key, value in tags.items() if key.startswith("labels.")}
        at = tags.get("promotion.time")
        found.append(
            Version(
                number=int(version.version),
                made=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
                champion=current is not None and current.version == int(version.version),
                promoted=tags.get("promotion.decision") == "promoted",
                promoted_at=datetime.fromisoformat(at) if at else None,
                dice=_mean(tags.get("test_dice")),
                gold_only=_mean(tags.get("gold_only_dice")),
                labels={key.removeprefix("labels."): (int(m[1]), int(m[2])) for key, m in matches.items() if m},
            )
        )
    return sorted(found, key=lambda version: version.number)


def _mean(told: str | None) -> float | None:
    return json.loads(told)["mean"] if told else None
