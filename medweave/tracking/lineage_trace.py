"""From a label, an image or a labeler to the models that learned from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from medweave.errors import InputError
from medweave.tracking.lineage_files import open_lineage

if TYPE_CHECKING:
    from mlflow import MlflowClient

Kind = Literal["image", "label", "labeler"]
COLUMNS: dict[Kind, tuple[str, ...]] = {
    "image": ("image_id", "image_sha256"),
    "label": ("label_id", "replaces", "correction"),
    "labeler": ("weights", "fitted", "coarse"),
}
"""Where each kind of thing stands in the list of labels."""
PAGE = 200


@dataclass(frozen=True)
class Use:
    """A registered version that was there when labels were made, how many of those it `learned` from, and its aliases.

    `labels` are their label ids (not for a labeler, which may have made millions).
    """

    model: str
    version: int
    aliases: tuple[str, ...]
    found: int
    learned: int
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trace:
    """What became of a thing: its labels (rows of the label list), the versions that know them, what is missing."""

    what: str
    labels: list[dict[str, Any]] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def in_champion(self) -> bool:
        """Whether a champion learned from it."""
        return any(use.learned and "champion" in use.aliases for use in self.uses)

    def to_json(self) -> dict[str, Any]:
        """All of it, JSON-serialisable."""
        return {**asdict(self), "in_champion": self.in_champion}


def trace(client: MlflowClient, kind: Kind, value: str) -> Trace:
    """What became of an image (id or SHA-256), a label (id, also of one that was corrected) or a labeler.

    A labeler goes by the digest, or its beginning, of its weights, of what gold taught it or of the coarse model that
    prompted it. Raises InputError when no registered version knows such a thing.
    """
    traced = Trace(f"{kind}:{value}")
    labels: dict[str, dict[str, Any]] = {}
    columns, known = COLUMNS[kind], 0
    for name, version, run_id, aliases in _versions(client):
        try:
            lineage = open_lineage(client, run_id)
            known += 1
            if kind == "labeler":
                count = lineage.count(columns, value)
                found, learned, ids = count["labels"], count["learned"], ()
            else:
                rows = lineage.find(columns, value).to_pylist()
                labels |= {row["label_id"]: {**row, "task": lineage.facts["task"]} for row in rows}
                found, learned = len(rows), sum(row["weight"] > 0 for row in rows)
                ids = tuple(sorted(row["label_id"] for row in rows))
        except InputError as error:
            traced.missing.append(f"models:/{name}/{version}: {error}")
            continue
        if found:
            traced.uses.append(Use(name, version, aliases, found, learned, ids))
    traced.labels.extend(labels.values())
    if not traced.uses:
        unknown = f"; {len(traced.missing)} more cannot be looked at: {traced.missing[0]}" if traced.missing else ""
        raise InputError(
            f"{kind}:{value}: none of the {known} registered versions with lineage knows it; take an id from "
            f"labels.csv or from 'medweave lineage REF --csv FILE'{unknown}"
        )
    return traced


def _versions(client: MlflowClient) -> Iterator[tuple[str, int, str, tuple[str, ...]]]:
    """Name, version, run and aliases of every version that a run of medweave registered, oldest first."""
    aliases: dict[tuple[str, str], list[str]] = {}
    for model in _all(client.search_registered_models):
        for alias, number in model.aliases.items():
            aliases.setdefault((model.name, str(number)), []).append(alias)
    found = [made for made in _all(client.search_model_versions) if made.run_id and "model_digest" in made.tags]
    for made in sorted(found, key=lambda made: (made.name, int(made.version))):
        there = tuple(sorted(aliases.get((made.name, str(made.version)), [])))
        yield made.name, int(made.version), str(made.run_id), there


def _all(search: Callable[..., Any]) -> Iterator[Any]:
    """Everything that MLflow gives a page at a time."""
    page = search(max_results=PAGE)
    yield from page
    while page.token:
        page = search(max_results=PAGE, page_token=page.token)
        yield from page
