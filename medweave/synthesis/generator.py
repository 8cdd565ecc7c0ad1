"""A generator: a directory of safetensors weights and a JSON card."""

from __future__ import annotations

from pathlib import Path

from medweave.config import Compute


class Generator:
    """A diffusion model that makes images, for a mask or freely."""

    @property
    def digest(self) -> str:
        """SHA-256 over the weights and what the card says of how they are used."""
        raise NotImplementedError

    @property
    def conditional(self) -> bool:
        """Whether images are made for a mask."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write `weights.safetensors` and `card.json` into the folder; the card comes last."""
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path, compute: Compute | None = None) -> Generator:
        """Read a generator; raises InputError when the folder is none, is damaged, or needs weights that are missing."""
        raise NotImplementedError
