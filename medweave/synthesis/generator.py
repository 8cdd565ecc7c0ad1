"""A generator: a directory of safetensors weights and a JSON card, and the images that it makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medweave.compute import autocast, device
from medweave.config import Compute, Synthesis
from medweave.errors import InputError, RunError
from medweave.synthesis.diffusion import draw, guided
from medweave.synthesis.networks import Architecture, Built, build, encode_masks
from medweave.writing import whole_file

if TYPE_CHECKING:
    import torch
    from torch import nn

CARD = "card.json"
WEIGHTS = "weights.safetensors"
FORMAT = 1


@dataclass(frozen=True)
class Card:
    """What a generator is: enough to build it, to sample from it, and to know how it came about.

    `schedule` is the noise schedule it was trained on, `base` the digest of the pretrained weights it stands on, and
    `training` holds the seed, the steps, the losses and the digest of what it learned from.
    """

    architecture: Architecture
    classes: tuple[str, ...]
    schedule: Mapping[str, Any]
    base: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)


class Generator:
    """A diffusion model that makes images, for a mask or freely."""

    def __init__(self, card: Card, built: Built, compute: Compute | None = None) -> None:
        self.card = card
        self._compute = compute or Compute()
        self._device = device(self._compute)
        self._network = built.network.eval().to(self._device)
        self._space = built.space

    def on(self, compute: Compute) -> Generator:
        """The same generator, computing there. The network is shared, so it moves to its device for both."""
        return Generator(self.card, Built(self._network, self._space), compute)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the weights and what the card says of how they are used."""
        import torch

        card = asdict(self.card) | {"training": None}
        digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
        for name, tensor in sorted(trained_weights(self._network).items()):
            digest.update(name.encode())
            digest.update(tensor.view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    @property
    def conditional(self) -> bool:
        """Whether images are made for a mask."""
        return self.card.architecture.classes > 0

    def make(self, seeds: Sequence[Sequence[int]], masks: np.ndarray | None, settings: Synthesis) -> np.ndarray:
        """N images, NxSxSxC uint8 (C is 1 or 3), each from its own seed; sampler, steps and guidance of the settings.

        `masks` NxSxS uint8 are what the images are made for; None: free images. The other images of the batch change
        an image by rounding at most. Raises RunError when the images are not finite.
        """
        import torch

        generators = [torch.Generator().manual_seed(_number(seed)) for seed in seeds]
        shape = (1, self._space.channels, self._space.side, self._space.side)
        noise = torch.cat([torch.randn(shape, generator=generator) for generator in generators])
        with torch.inference_mode(), autocast(self._compute):
            condition = self._condition(masks, len(seeds)).to(self._device)
            say = guided(self._network, condition, settings.guidance if masks is not None else 1.0)
            values = draw(
                say, noise.to(self._device), generators, dict(self.card.schedule), settings, self._space.bounded
            )
            if not torch.isfinite(values).all():
                raise RunError("synthesis: the generator's images are not finite; train it again with a lower rate")
            pixels = self._space.decode(values)
        return pixels.permute(0, 2, 3, 1).cpu().numpy()

    def save(self, folder: Path) -> None:
        """Write `weights.safetensors` and `card.json` into the folder; the card comes last.

        Of a generator that stands on pretrained weights only what was trained is written. Raises InputError when the
        folder cannot be written.
        """
        from safetensors.torch import save

        data = save(trained_weights(self._network))
        card = {"format": FORMAT, **asdict(self.card), "weights_sha256": hashlib.sha256(data).hexdigest()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in ((WEIGHTS, data), (CARD, json.dumps(card, indent=1, sort_keys=True).encode())):
                with whole_file(folder / name) as aside:
                    aside.write_bytes(content)
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from None

    @classmethod
    def load(cls, folder: Path, compute: Compute | None = None) -> Generator:
        """Read a generator; raises InputError when the folder is none or damaged, or needs weights that are missing."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        card, sha256 = _read_card(folder)
        built = build(card.architecture)
        if built.space.digest != card.base:
            raise InputError(
                f"{card.architecture.pretrained}: not the weights that {folder} was trained on; get those again"
            )
        try:
            data = (folder / WEIGHTS).read_bytes()
            if hashlib.sha256(data).hexdigest() != sha256:
                raise InputError(f"{folder / WEIGHTS}: the weights are not the ones of the card; train it again")
            put_weights(built.network, load(data))
        except (OSError, SafetensorError) as error:
            raise InputError(f"{folder / WEIGHTS}: cannot be read ({error}); train it again") from None
        except RuntimeError:
            raise InputError(f"{folder / WEIGHTS}: weights of another architecture than the card's") from None
        return cls(card, built, compute)

    def _condition(self, masks: np.ndarray | None, count: int) -> torch.Tensor:
        import torch

        classes, side = self.card.architecture.classes, self._space.side
        if masks is None or not classes:
            return torch.zeros(count, self.card.architecture.condition_channels, side, side)
        return encode_masks(torch.from_numpy(masks), torch.ones(count, dtype=torch.bool), classes, side)


def trained_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights that training changes, by name, contiguous on the CPU."""
    return {
        name: value.detach().cpu().contiguous() for name, value in network.named_parameters() if value.requires_grad
    }


def put_weights(network: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Set the weights that training changes. Raises RuntimeError when their names or shapes are others."""
    wanted = {name for name, value in network.named_parameters() if value.requires_grad}
    if wanted != set(weights):
        raise RuntimeError("weights of other names")
    network.load_state_dict(dict(weights), strict=False)


def _number(seed: Sequence[int]) -> int:
    return int(np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)[0] >> 1)


def _read_card(folder: Path) -> tuple[Card, str]:
    try:
        raw = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if raw.pop("format") != FORMAT:
            raise InputError(f"{folder / CARD}: of another format than this version reads ({FORMAT}); upgrade medweave")
        sha256: str = raw.pop("weights_sha256")
        architecture = Architecture(**raw.pop("architecture"))
        return Card(architecture=architecture, classes=tuple(raw.pop("classes")), **raw), sha256
    except OSError:
        raise InputError(f"{folder}: no generator here (no {CARD}); give the folder of a trained one") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{folder / CARD}: not a generator's card; give the folder of a trained one") from None
