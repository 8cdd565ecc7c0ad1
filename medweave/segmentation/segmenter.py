"""A segmenter: a directory of safetensors weights and a JSON card, and the prediction with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medweave.compute import autocast, device
from medweave.config import Compute, Segmentation
from medweave.errors import InputError
from medweave.segmentation.networks import Architecture, build_network
from medweave.segmentation.postprocessing import class_map
from medweave.segmentation.preprocessing import normalise, to_batch

if TYPE_CHECKING:
    import torch
    from torch import nn

CARD = "card.json"
FORMAT = 1
BATCH = 16


@dataclass(frozen=True)
class Card:
    """What a segmenter is: enough to build it, to feed it, and to know how it came about.

    `flips` are the flips averaged at test time, as axes of the image (2: vertical, 3: horizontal). `most_components`
    is how many components of each class a mask may have, as seen in gold.
    `training` holds the seed, the steps, the curves, the digest of the data, and for an ensemble which group of
    images which member has not seen (`folds`: group id to member).
    """

    architecture: Architecture
    classes: tuple[str, ...]
    image_size: int
    encoder_weights: str
    most_components: tuple[int, ...]
    flips: tuple[int, ...] = ()
    preprocessing: str = "rgb8, squashed to image_size, scaled to [-2, 2]"
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """What a segmenter says of N images.

    `probabilities` of the foreground classes, NxCxSxS float32. `flip_agreement`, N float32 from 0 to 1: for each member
    the Dice of each flip's mask with the mask of the flips' mean; the mean over flips and members. None without flips.
    """

    probabilities: np.ndarray
    flip_agreement: np.ndarray | None


class Segmenter:
    """One network, or an ensemble of them whose probabilities are averaged."""

    def __init__(self, card: Card, members: Sequence[nn.Module], compute: Compute | None = None) -> None:
        self.card = card
        self._compute = compute or Compute()
        self._device = device(self._compute)
        self.members = [_for_inference(member, self._device) for member in members]

    def on(self, compute: Compute) -> Segmenter:
        """The same model, computing there. The networks are shared, so they move to its device for both."""
        return Segmenter(self.card, self.members, compute)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the card and the weights of all members."""
        digest = hashlib.sha256(json.dumps(asdict(self.card), sort_keys=True).encode())
        for member in self.members:
            for name, tensor in sorted(member.state_dict().items()):
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write `card.json` and `member-K.safetensors` into the folder; the card comes last."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for index, member in enumerate(self.members):
            path = folder / f"member-{index}.safetensors"
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in member.state_dict().items()}, path)
            files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        card = {"format": FORMAT, **asdict(self.card), "weights": files}
        (folder / CARD).write_text(json.dumps(card, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, compute: Compute | None = None) -> Segmenter:
        """Read a segmenter; raises InputError when the folder is none, is damaged, or of another architecture."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        card, files = _read_card(folder)
        members = []
        for name, sha256 in files.items():
            try:
                data = (folder / name).read_bytes()
                if hashlib.sha256(data).hexdigest() != sha256:
                    raise InputError(f"{folder / name}: the weights are not the ones of the card; get the model again")
                network = build_network(card.architecture)
                network.load_state_dict(load(data))
            except (OSError, SafetensorError) as error:
                raise InputError(f"{folder / name}: cannot be read ({error}); get the model again") from None
            except RuntimeError:
                raise InputError(
                    f"{folder / name}: weights of another architecture than {card.architecture.name} with "
                    f"{card.architecture.encoder}, which the card names"
                ) from None
            members.append(network)
        return cls(card, members, compute)

    def probabilities(self, images: Sequence[np.ndarray], member: int | None = None) -> np.ndarray:
        """Foreground probabilities NxCxSxS float32 of images HxWx3 uint8, averaged over flips and members."""
        return self.predict(images, member).probabilities

    def predict(self, images: Sequence[np.ndarray], member: int | None = None) -> Prediction:
        """The mean over flips and members (or one member) for images HxWx3 uint8, and how far flips agree."""
        import torch

        chosen = self.members if member is None else [self.members[member]]
        views = [(), *((axis,) for axis in self.card.flips)]
        batches, agreements = [], []
        with torch.inference_mode(), autocast(self._compute):
            for start in range(0, len(images), BATCH):
                pixels = to_batch(images[start : start + BATCH], self.card.image_size).to(self._device)
                inputs = normalise(pixels).contiguous(memory_format=torch.channels_last)
                means, agreeing = [], []
                for network in chosen:
                    flipped = [foreground(network(inputs.flip(axes)).float()).flip(axes) for axes in views]
                    means.append(torch.stack(flipped).mean(dim=0))
                    agreeing.append(torch.stack([mask_dice(one > 0.5, means[-1] > 0.5) for one in flipped]).mean(dim=0))
                batches.append(torch.stack(means).mean(dim=0).cpu().numpy())
                agreements.append(torch.stack(agreeing).mean(dim=0).cpu().numpy())
        if not batches:
            batches, agreements = [np.zeros((0, len(self.card.classes), 0, 0), np.float32)], [np.zeros(0, np.float32)]
        return Prediction(np.concatenate(batches), np.concatenate(agreements) if self.card.flips else None)

    def predict_masks(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Class maps HxW uint8 at each image's own size; images HxWx3 uint8 are taken a batch at a time."""
        stream = iter(images)
        while batch := list(islice(stream, BATCH)):
            for image, probabilities in zip(batch, self.probabilities(batch), strict=True):
                height, width = image.shape[:2]
                yield class_map(probabilities, height, width, self.card.most_components)

    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """What was measured over the steps of training, by name: losses, and out-of-fold Dice of an ensemble."""
        training = self.card.training
        curves = {name: [(int(s), float(v)) for s, v in points] for name, points in training["losses"].items()}
        if measured := training.get("out_of_fold_dice"):
            curves["out-of-fold Dice"] = [(int(s), float(v)) for s, v in measured]
        return curves

    def unseen_member(self, group_id: str) -> int | None:
        """The member that was not trained on this group, if the segmenter is a cross-validation ensemble."""
        member: int | None = self.card.training.get("folds", {}).get(group_id)
        return member


def foreground(logits: torch.Tensor) -> torch.Tensor:
    """Logits BxCxSxS of the foreground classes to their probabilities; the background's logit is 0."""
    import torch

    background = torch.zeros_like(logits[:, :1])
    return torch.cat([background, logits], dim=1).softmax(dim=1)[:, 1:]


def mask_dice(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Dice (B float32) of binary masks BxCxSxS, mean over the classes that either has; 1 where both are empty."""
    sizes = first.sum(dim=(2, 3)) + second.sum(dim=(2, 3))
    dice = 2 * (first & second).sum(dim=(2, 3)) / sizes
    return dice.where(sizes > 0, float("nan")).nanmean(dim=1).nan_to_num(nan=1.0)


def flips_of(settings: Segmentation) -> tuple[int, ...]:
    """Axes flipped at test time: the ones that training flips, if flips at test time are asked for."""
    augmentation = settings.augmentation
    axes = {2: augmentation.flip_vertical, 3: augmentation.flip_horizontal}
    return tuple(axis for axis, flipped in axes.items() if flipped and settings.flip_at_test)


def _for_inference(network: nn.Module, where: torch.device) -> nn.Module:
    import torch

    return network.eval().to(where, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _read_card(folder: Path) -> tuple[Card, dict[str, str]]:
    try:
        raw = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if raw.pop("format") != FORMAT:
            raise InputError(f"{folder / CARD}: of another format than this version reads ({FORMAT}); upgrade medweave")
        files: dict[str, str] = raw.pop("weights")
        parts = raw.pop("architecture")
        channels = parts.pop("decoder_channels")
        architecture = Architecture(**parts, decoder_channels=None if channels is None else tuple(channels))
        raw |= {name: tuple(raw[name]) for name in ("classes", "flips", "most_components")}
        return Card(architecture=architecture, **raw), files
    except OSError:
        raise InputError(f"{folder}: no segmenter here (no {CARD}); give the folder of a trained model") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{folder / CARD}: not a segmenter's card; give the folder of a trained model") from None
