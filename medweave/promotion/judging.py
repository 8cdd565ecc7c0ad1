"""Judge a version against gold-only training and the champion, all on the same test images; promote it if it is fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.data.subgroups import subgroups
from medweave.errors import InputError
from medweave.promotion.card import write_card
from medweave.promotion.scores import scores_of
from medweave.segmentation import Evaluation
from medweave.segmentation import Interval as Measured
from medweave.tracking import (
    Evidence,
    Interval,
    Part,
    PromotionDecision,
    RegisteredVersion,
    RolledBack,
    carry_out,
    champion,
    decide_promotion,
    get_version,
)
from medweave.tracking import rollback as go_back

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHECK = "check."
LEARNED = "labels."


@dataclass(frozen=True)
class Judgement:
    """A decision about a version, and the champion that it was judged against."""

    version: RegisteredVersion
    decision: PromotionDecision
    against: int | None


def judge(client: MlflowClient, version: RegisteredVersion, test: ImageTable, settings: Settings) -> Judgement:
    """Measure what is not on record yet, and decide by the settings' `promotion`.

    Raises InputError when a model that is to be measured is gone, or a subgroup's column is.
    """
    resamples, seed = settings.evaluation.resamples, settings.seed

    def difference(one: Evaluation, other: Evaluation) -> Interval:
        return _ends(one.difference(other, resamples=resamples, seed=seed))

    own = scores_of(client, version, "final", test, settings)
    gold_only = scores_of(client, version, "gold_only", test, settings)
    current = champion(client, version.name)
    against_champion, parts = None, []
    if current is not None and current.version != version.version:
        theirs = scores_of(client, current, "final", test, settings)
        against_champion = difference(own, theirs)
        margins = settings.promotion.subgroups
        for name, part, images in _parts(test, margins, settings):
            delta = difference(_only(own, images), _only(theirs, images))
            parts.append(Part(f"{name} {part}", len(images), delta, margins[name]))
    evidence = Evidence(
        len(own.rows), difference(own, gold_only), against_champion, tuple(parts), _shares(version), _checks(version)
    )
    decision = decide_promotion(evidence, settings.promotion)
    return Judgement(version, decision, None if current is None else current.version)


def promote(client: MlflowClient, judged: Judgement, forced: str | None = None) -> PromotionDecision:
    """Carry a judgement out, or promote against it for the reason `forced`; write the model cards of both versions."""
    name, number, decision = judged.version.name, judged.version.version, judged.decision
    if forced is not None and not decision.promoted:
        reason = f"Promoted by force ({forced}), although: {decision.reason}"
        decision = PromotionDecision(True, reason, decision.numbers)
    made = carry_out(client, name, number, decision, judged.against)
    for version in {number, judged.against or number}:
        _write_card(client, name, version)
    return made


def rollback(client: MlflowClient, name: str, reason: str) -> RolledBack:
    """Make the champion before this one the champion again, and say so on both model cards."""
    done = go_back(client, name, reason)
    for version in (done.before, done.after):
        _write_card(client, name, version)
    return done


def _write_card(client: MlflowClient, name: str, number: int) -> None:
    version = get_version(client, name, number)
    if version.run_id is not None:  # others than medweave may have registered a champion
        write_card(client, version)


def only_model(client: MlflowClient) -> str:
    """The registered model of medweave, if there is but one with a champion; else raises InputError that lists them."""
    models = [model for model in client.search_registered_models() if "champion" in model.aliases]
    names = sorted(str(model.name) for model in models if model.name.startswith("medweave-"))
    if len(names) != 1:
        raise InputError(
            f"--model: is needed, as {len(names)} models have a champion: {', '.join(names) or 'none yet'}"
        )
    return names[0]


def _parts(test: ImageTable, names: Mapping[str, float], settings: Settings) -> Iterator[tuple[str, str, set[str]]]:
    for name, part_of in subgroups(test, names, settings.data).items():
        for part in sorted(set(part_of.values())):
            yield name, part, {image_id for image_id, its_part in part_of.items() if its_part == part}


def _only(evaluation: Evaluation, images: set[str]) -> Evaluation:
    return Evaluation(tuple(row for row in evaluation.rows if row.image_id in images))


def _shares(version: RegisteredVersion) -> dict[str, float]:
    """The shares of weak and synthetic labels among those that the version learned from."""
    learned = {
        source: int(version.tags.get(f"{LEARNED}{source}", "0").split()[0]) for source in ("gold", "weak", "synthetic")
    }
    every = sum(learned.values())
    return {source: learned[source] / every for source in ("weak", "synthetic")} if every else {}


def _checks(version: RegisteredVersion) -> dict[str, str]:
    made = {key.removeprefix(CHECK): said for key, said in version.tags.items() if key.startswith(CHECK)}
    return {check: "" if said == "passed" else said for check, said in made.items()}


def _ends(interval: Measured) -> Interval:
    return interval.mean, interval.low, interval.high
