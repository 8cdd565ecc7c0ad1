"""Reading a file of SAM weights without running what is in it, and telling what it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medweave.errors import InputError
from medweave.labeling.weights.catalogue import CATALOGUE, Kind, Published, file_digest

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds.

    `published` and `kind` are those of the catalogue's entry that it is, or was made from; None where it is none.
    """

    path: Path
    sha256: str
    kind: Kind | None
    model_type: str
    parameters: int
    published: str | None

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return {**asdict(self), "path": str(self.path)}


def examine(path: Path, catalogue: Mapping[str, Published] = CATALOGUE) -> Checkpoint:
    """Read a whole file of weights and tell what it is.

    Raises InputError for a file that cannot be read, is no SAM, has weights that are not finite, differs from what was
    fetched (by the card beside it), or bears a published file's name without being that file.
    """
    state = read_state(path)
    model_type = architecture(state, str(path))
    broken = [name for name, weights in state.items() if not weights.isfinite().all()]
    if broken:
        raise InputError(f"{path}: {len(broken)} weights are not finite, such as {broken[0]}; bring another file")
    sha256 = file_digest(path)
    parameters = sum(weights.numel() for weights in state.values())
    origin = _origin(path, sha256, catalogue)
    kind, name = (origin.kind, origin.name) if origin else (None, None)
    return Checkpoint(path, sha256, kind, model_type, parameters, name)


def read_state(path: Path, source: str | None = None) -> State:
    """The table of weights in a safetensors file or a torch checkpoint, told by content; nothing in it is executed.

    A training checkpoint's table is under "model"; the "module." that distributed training puts before every name is
    taken off. Raises InputError naming the file, or the `source` that it came from.
    """
    import torch
    from safetensors.torch import load_file

    where = source or str(path)
    try:
        with path.open("rb") as file:
            is_safetensors = file.read(9)[8:] == b"{"  # eight bytes of length, then JSON
        content = load_file(path) if is_safetensors else torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{where}: no such file; check the path") from None
    except Exception as error:  # damaged files raise errors of every kind
        raise InputError(
            f"{where}: cannot be read as weights ({type(error).__name__}); bring the file again, as it was published"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not all(isinstance(weights, torch.Tensor) for weights in content.values()):
        raise InputError(f"{where}: holds no table of weights; give the file as it was published")
    prefix = "module." if content and all(name.startswith("module.") for name in content) else ""
    return {name.removeprefix(prefix): weights for name, weights in content.items()}


def architecture(state: Mapping[str, torch.Tensor], source: str) -> str:
    """The model type in segment-anything's registry that has just these weights, by names and shapes.

    Raises InputError, naming `source` and the nearest type, when none has.
    """
    found = {name: weights.shape for name, weights in state.items()}
    differences = {}
    for model_type, expected in _architectures().items():
        differences[model_type] = sorted(
            name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
        )
        if not differences[model_type]:
            return model_type
    nearest = min(differences, key=lambda model_type: len(differences[model_type]))
    names = differences[nearest]
    raise InputError(
        f"{source}: is no SAM ({len(names)} weights differ from {nearest}'s in name or shape, such as {names[0]}); "
        "give weights of segment-anything's form"
    )


def _architectures() -> dict[str, dict[str, torch.Size]]:
    """Names and shapes of the weights of each model type, without making them."""
    import torch
    from segment_anything import sam_model_registry

    shapes = {}
    with torch.device("meta"):
        for model_type in sorted(sam_model_registry.keys() - {"default"}):
            sam = sam_model_registry[model_type]()
            shapes[model_type] = {name: weights.shape for name, weights in sam.state_dict().items()}
    return shapes


def _origin(path: Path, sha256: str, catalogue: Mapping[str, Published]) -> Published | None:
    card = read_card(path)
    if card is not None:
        if card["sha256"] != sha256:
            raise InputError(f"{path}: is not what was fetched (sha256 {sha256}); fetch it again")
        return catalogue.get(card["name"])
    checksums = {f"sha256:{sha256}", f"md5:{file_digest(path, 'md5')}"}
    for entry in catalogue.values():
        if entry.checksum in checksums:
            return entry
        if path.name == entry.file and entry.checksum:
            raise InputError(f"{path}: is not {entry.file} as it was published (not {entry.checksum}); bring it again")
    return None


def read_card(path: Path) -> dict[str, Any] | None:
    """What `fetch` wrote down about the weights that it put there, or None."""
    try:
        card: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        raise InputError(f"{path.with_suffix('.json')}: is damaged; fetch the weights again") from None
    return card if {"name", "sha256"} <= card.keys() else None
