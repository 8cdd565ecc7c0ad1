"""Image embeddings on disk: an image is encoded once, whatever is asked about it later."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from medweave import progress

LIMIT = 10 * 1000**3
KEPT_SHARE = 0.9
"""How much of the limit is left when the least recently used go."""


class EmbeddingCache:
    """Tensors by key, each a safetensors file in a folder of at most `limit` bytes; the least recently used go.

    What does not agree with the digest that was written with it is removed. Where the disk is full or cannot be
    written, nothing more is kept, said once. Several processes may share a folder.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self._free = 0
        self._writable = True

    def get(self, key: tuple[Any, ...]) -> torch.Tensor | None:
        """The tensor kept for a JSON-serialisable key, on the CPU; None where there is none that is intact."""
        path = self._path(key)
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                features: torch.Tensor = file.get_tensor("features")
                intact = file.metadata() == {"sha256": _digest(features)}
        except Exception:  # a damaged file can raise anything
            intact = False
        with suppress(OSError):  # a folder that can only be read
            if intact:
                os.utime(path)
            else:
                path.unlink()
        return features if intact else None

    def put(self, key: tuple[Any, ...], features: torch.Tensor) -> None:
        """Keep a tensor, as far as there is room."""
        if not self._writable:
            return
        kept = features.detach().cpu().contiguous()
        try:
            self._make_room(kept.nbytes)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".part-") as aside:
                written = Path(aside) / "features"
                save_file({"features": kept}, written, {"sha256": _digest(kept)})
                written.replace(self._path(key))
        except Exception as error:  # safetensors tells of a full disk in its own way
            self._writable = False
            progress.say(f"  {self._folder}: image embeddings are not kept any more ({error}); free space there")

    def _make_room(self, size: int) -> None:
        """Remove the least recently used where a file of this size would not fit in any more."""
        self._free -= size
        if self._free > 0:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        files = []
        for path in self._folder.glob("*.safetensors"):
            with suppress(FileNotFoundError):  # another process made room
                status = path.stat()
                files.append((status.st_mtime_ns, status.st_size, path))
        self._free = self._limit - size - sum(used for _, used, _ in files)
        for _, used, path in sorted(files) if self._free <= 0 else ():
            path.unlink(missing_ok=True)
            self._free += used
            if self._free > (1 - KEPT_SHARE) * self._limit:
                break

    def _path(self, key: tuple[Any, ...]) -> Path:
        return self._folder / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()}.safetensors"


def _digest(features: torch.Tensor) -> str:
    return hashlib.sha256(features.view(torch.uint8).numpy().data).hexdigest()
