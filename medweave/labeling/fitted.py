"""What gold taught a labeler: a directory of safetensors weights and a JSON card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medweave.config import Prompts
from medweave.errors import InputError
from medweave.labeling.labelers import Labeler, Made, NoMask, Target
from medweave.writing import whole_file

if TYPE_CHECKING:
    import torch

CARD = "card.json"
FORMAT = 1
ALL = "all"
"""The member that was fitted to all gold images."""

WORDS = {
    "ellipse": "ellipse",
    "before": "before",
    "decoder": "decoder fine-tuned",
    "averaged": "averaged with crop",
}
"""What the figures in a card's `dice` are of, in the order in which they are told."""

State = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True)
class FittedCard:
    """What was fitted, and how well.

    `members` names for each gold image (by id) the weights that never saw its group. `prompts` are the settings to
    prompt with. `dice` has mean Dice on gold by cross-validation, from the same prompts: of the labeler as it was
    (`before`; for `crop`, which was nothing, of `ellipse`), with its `decoder` fine-tuned, `averaged` with `crop`, and
    as fitted (`after`). `dropped` says why weights were not kept. `training` has seed, steps and errors of the boxes;
    `prompt_dice` the mean Dice of each candidate, where the prompts were chosen. `coarse_share` is the coarse model's
    part in each label, `share_dice` the mean Dice with each candidate, where it was chosen.
    """

    labeler: str
    labeler_digest: str
    prompts: Prompts
    members: Mapping[str, str] = field(default_factory=dict)
    dice: Mapping[str, float] = field(default_factory=dict)
    dropped: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    prompt_dice: Sequence[Mapping[str, Any]] = field(default_factory=list)
    coarse_share: float = 0.0
    share_dice: Mapping[str, float] = field(default_factory=dict)

    def told(self) -> str:
        """In words, what gold taught the labeler; empty where it taught nothing."""
        told = []
        if self.dropped:
            told.append(f"adaptation dropped: {self.dropped}")
        elif self.dice:
            others = ", ".join(f"{words} {self.dice[who]:.3f}" for who, words in WORDS.items() if who in self.dice)
            told.append(f"Dice on gold by cross-validation {self.dice['after']:.3f} ({others})")
        if self.prompt_dice:
            told.append(f"prompts chosen: {self.prompts.kind}, margin {self.prompts.margin:g}")
        if self.share_dice and not self.coarse_share:
            told.append("the coarse model gets no share in labels")
        elif self.share_dice:
            told.append(
                f"the coarse model's share in labels is {self.coarse_share:g} (Dice on gold by cross-validation "
                f"{self.share_dice[str(self.coarse_share)]:.3f}, without it {self.share_dice[str(0.0)]:.3f})"
            )
        return "; ".join(told)

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return {**asdict(self), "prompts": self.prompts.model_dump(mode="json")}


class FittedLabeler:
    """Card and weights by member: `all`, and `fold-K` for the gold images of fold K. No weights: nothing was fitted."""

    def __init__(self, card: FittedCard, weights: Mapping[str, State] | None = None) -> None:
        self.card = card
        self.weights: Mapping[str, State] = weights or {}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the card and all weights."""
        digest = hashlib.sha256(json.dumps(self.card.to_json(), sort_keys=True).encode())
        for member, state in sorted(self.weights.items()):
            for name, tensor in sorted(state.items()):
                digest.update(f"{member}\n{name}\n{tensor.dtype}\n{list(tensor.shape)}\n".encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write `MEMBER.safetensors` and, last, `card.json` into the folder."""
        from safetensors.torch import save

        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for member, state in self.weights.items():
            data = save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})
            files[member] = hashlib.sha256(data).hexdigest()
            (folder / f"{member}.safetensors").write_bytes(data)
        card = {"format": FORMAT, **self.card.to_json(), "weights": files}
        with whole_file(folder / CARD) as aside:
            aside.write_text(json.dumps(card, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> FittedLabeler:
        """What `save` wrote. Raises InputError when the folder is none of that, or is damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        card, files = _read_card(folder)
        weights = {}
        for member, sha256 in files.items():
            path = folder / f"{member}.safetensors"
            try:
                data = path.read_bytes()
                if hashlib.sha256(data).hexdigest() != sha256:
                    raise InputError(f"{path}: the weights are not the ones of the card; fit the labeler again")
                weights[member] = load(data)
            except (OSError, SafetensorError) as error:
                raise InputError(f"{path}: cannot be read ({error}); fit the labeler again") from None
        return cls(card, weights)


class CrossFitted:
    """A labeler whose gold images are labelled by the member that never saw their group, all others by `all`."""

    requires_prompts = True

    def __init__(self, name: str, members: Mapping[str, Labeler], fitted: FittedLabeler) -> None:
        self.name = name
        self.digest = fitted.digest
        self._members = members
        self._of_image = fitted.card.members

    def provenance(self, image_id: str | None = None, /) -> dict[str, Any]:
        """The labeler's own, the digest of what gold taught it, and for an image which weights label it."""
        member = ALL if image_id is None else self._member(image_id)
        made_by = {**self._members[member].provenance(image_id), "labeler": self.name, "fitted_digest": self.digest}
        return made_by if image_id is None else {**made_by, "member": member}

    def segment(self, targets: Sequence[Target], /) -> list[Made | NoMask]:
        """One label a target, in order."""
        members = [self._member(target.image_id) for target in targets]
        made: dict[int, Made | NoMask] = {}
        for member in dict.fromkeys(members):
            theirs = [index for index, name in enumerate(members) if name == member]
            made.update(zip(theirs, self._members[member].segment([targets[i] for i in theirs]), strict=True))
        return [made[index] for index in range(len(targets))]

    def _member(self, image_id: str) -> str:
        return self._of_image.get(image_id, ALL)


def labeler_for(fitted: FittedLabeler, labeler: Labeler) -> Labeler:
    """The labeler with what gold taught it; `labeler` itself where nothing was fitted.

    Raises InputError when another labeler was fitted than this one.
    """
    card = fitted.card
    if (card.labeler, card.labeler_digest) != (labeler.name, labeler.digest):
        raise InputError(
            f"labeling.labeler={labeler.name}: gold was fitted by {card.labeler} with other weights; fit it again"
        )
    if not fitted.weights:
        return labeler
    return CrossFitted(
        "crop" if labeler.name == "crop" else f"{labeler.name}+adapted",
        {member: with_weights(labeler, state) for member, state in fitted.weights.items()},
        fitted,
    )


def with_weights(labeler: Labeler, state: State) -> Labeler:
    """A labeler with another decoder, averaged with `crop`, or both, as the weights are; `crop` with its network."""
    from medweave.labeling.averaging import AveragedLabeler, parted
    from medweave.labeling.crop import CropLabeler
    from medweave.labeling.sam import SamLabeler

    if isinstance(labeler, CropLabeler):
        return labeler.with_network(state)
    if isinstance(labeler, SamLabeler):
        decoder, crop = parted(state)
        promptable = labeler.with_decoder(decoder) if decoder else labeler
        if not crop:
            return promptable
        untaught = CropLabeler(labeler.classes, str(labeler.sam.device), labeler.precision)
        return AveragedLabeler(promptable, untaught.with_network(crop))
    raise InputError(f"labeling.labeler={labeler.name}: has no weights that gold could have changed; fit it again")


def _read_card(folder: Path) -> tuple[FittedCard, dict[str, str]]:
    try:
        raw = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if raw.pop("format") != FORMAT:
            raise InputError(f"{folder / CARD}: of another format than this version reads ({FORMAT}); upgrade medweave")
        files: dict[str, str] = raw.pop("weights")
        return FittedCard(**raw | {"prompts": Prompts(**raw["prompts"])}), files
    except OSError:
        raise InputError(f"{folder}: no fitted labeler here (no {CARD}); fit the labeler again") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{folder / CARD}: not a fitted labeler's card; fit the labeler again") from None
