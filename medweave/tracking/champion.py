"""The champion's alias: moved by a decision or back again, one process at a time, and recorded on both versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from medweave.errors import InputError
from medweave.tracking.lock import promotion_lock
from medweave.tracking.promotion import PromotionDecision
from medweave.tracking.registry import aliases_of, champion, find_version, set_alias

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST_TAG = 50_000
NONE = "none"
CHAMPIONS = "champions"
"""The registered model's tag that lists its champions in the order they were promoted last, each once."""


def promote(
    client: MlflowClient, name: str, version: int, decision: PromotionDecision, judged_against: int | None
) -> PromotionDecision:
    """Carry a decision out and record it in the version's tags `promotion.*` and in the champion's `challenged_by.N`.

    A promoted version becomes `champion` and the one before it `previous`; one that is not becomes `challenger`.
    A version that is the champion already stays it, its record untouched. When another version than `judged_against`
    (None: there was no champion) is champion by now, the decision is void and the version is not promoted: of two
    promotions at once, one wins. Returns what came out.
    """
    with promotion_lock(client, name):
        current = champion(client, name)
        before = None if current is None else current.version
        if before == version:
            return PromotionDecision(True, f"Version {version} is the champion already and stays it.", decision.numbers)
        if before != judged_against:
            instead = f"version {judged_against}" if judged_against else "no champion"
            reason = (
                f"Not promoted: version {before or NONE} became the champion while this was judged against {instead}; "
                f"judge again with 'medweave promote models:/{name}/{version}'."
            )
            decision = PromotionDecision(False, reason, decision.numbers)
        _record(client, name, version, decision, before)
        if not decision.promoted:
            set_alias(client, name, "challenger", version)
            return decision
        if before is not None:
            set_alias(client, name, "previous", before)
        champions = [one for one in _champions(client, name, before) if one != version]
        client.set_registered_model_tag(name, CHAMPIONS, ",".join(map(str, [*champions, version])))
        set_alias(client, name, "champion", version)
        if aliases_of(client, name).get("challenger") == version:
            client.delete_registered_model_alias(name, "challenger")
    return decision


@dataclass(frozen=True)
class RolledBack:
    """The version that was the champion and the one that is."""

    before: int
    after: int


def rollback(client: MlflowClient, name: str, reason: str) -> RolledBack:
    """Make `previous` the champion again, with the version that was champion before it as the new `previous`.

    Both versions get tags `rollback.*`. Raises InputError when there is no champion or nothing to go back to.
    """
    find_version(client, f"models:/{name}@champion")  # says what there is instead
    with promotion_lock(client, name):
        current = champion(client, name)
        if current is None:
            raise InputError(f"{name}: has no champion; promote a version first")
        target = aliases_of(client, name).get("previous")
        if target is None:
            raise InputError(f"{name}: before version {current.version} there was none; promote another version")
        done = RolledBack(current.version, target)
        record = {"from": str(done.before), "to": str(done.after), "reason": reason, "time": _now()}
        for version in (done.before, done.after):
            _tag(client, name, version, {f"rollback.{key}": value for key, value in record.items()})
        set_alias(client, name, "champion", done.after)
        earlier = _champions(client, name, done.after)[:-1]
        if earlier:
            set_alias(client, name, "previous", earlier[-1])
        else:
            client.delete_registered_model_alias(name, "previous")
    return done


def _champions(client: MlflowClient, name: str, last: int | None) -> list[int]:
    """The champions up to `last` (none for None); a rollback goes from each to the one before it.

    Where no list of them is kept they are those that the versions name as the champion when they were judged.
    """
    if last is None:
        return []
    if kept := client.get_registered_model(name).tags.get(CHAMPIONS):
        champions = [int(number) for number in kept.split(",")]
        return champions[: champions.index(last) + 1] if last in champions else [last]
    versions = client.search_model_versions(f"name='{name}'")
    against = {int(one.version): one.tags.get("promotion.champion_before", NONE) for one in versions}
    before = {number: int(champion) for number, champion in against.items() if champion != NONE}
    champions = [last]
    while (earlier := before.get(champions[0])) in against and earlier not in champions:
        champions.insert(0, earlier)
    return champions


def _record(client: MlflowClient, name: str, version: int, decision: PromotionDecision, before: int | None) -> None:
    record = {
        "decision": "promoted" if decision.promoted else "not promoted",
        "reason": decision.reason,
        "time": _now(),
        "champion_before": NONE if before is None else str(before),
    }
    numbers = {key: f"{number:.6g}" for key, number in decision.numbers.items()}
    _tag(client, name, version, {f"promotion.{key}": value for key, value in {**record, **numbers}.items()})
    if before is not None:
        said = {key: record[key] for key in ("decision", "reason", "time")}
        _tag(client, name, before, {f"challenged_by.{version}": json.dumps({**said, **numbers})})


def _tag(client: MlflowClient, name: str, version: int, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        client.set_model_version_tag(name, str(version), tag_name(key), value[:LONGEST_TAG])


def tag_name(key: str) -> str:
    """A key as MLflow takes it: other than letters, digits, `_`, `-`, `.`, space and `/` become `_`."""
    return "".join(mark if mark.isalnum() or mark in "_-. /" else "_" for mark in key)[:250]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
