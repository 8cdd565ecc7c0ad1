"""Weights on this machine: `weights/NAME.safetensors` in medweave's home, with a card that says where they are from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medweave.errors import InputError, RunError
from medweave.home import home
from medweave.labeling.weights.catalogue import CATALOGUE, Kind, Published, file_digest, published
from medweave.labeling.weights.checkpoint import architecture, read_state
from medweave.labeling.weights.download import CHUNK, HUB, obtain
from medweave.writing import whole_file

if TYPE_CHECKING:
    import torch


def weights_folder() -> Path:
    """Where weights are kept; made when it is missing."""
    folder = home() / "weights"
    folder.mkdir(exist_ok=True)
    return folder


def fetch(
    name: str, source: str | None = None, catalogue: Mapping[str, Published] = CATALOGUE, chunk: int = CHUNK
) -> Path:
    """Bring published weights here, check them and keep them as safetensors; returns that file.

    `source` is a path, a URL or `hf:owner/name/file`; without it a file of the published name in the weights' folder
    is taken, else the publisher's address. Raises InputError for weights that are not the published ones or are no
    SAM of the right type, and RunError, telling which file to bring and where to put it, when they are out of reach.
    """
    entry = published(name, catalogue)
    folder = weights_folder()
    kept = _kept(entry)
    if source is None and _is_there(kept):
        return kept
    brought = folder / entry.file
    try:
        source = source or (str(brought) if brought.exists() else entry.url)
        if source is None:
            raise RunError("is not to be had by a direct address")
        original = obtain(source, folder, chunk)
    except RunError as error:
        raise RunError(f"{name}: {error}; put {entry.to_bring()} at {brought} and run this again") from error
    try:
        _convert(original, kept, entry, source)
    finally:
        if "://" in source:
            original.unlink()
    return kept


def available(catalogue: Mapping[str, Published] = CATALOGUE) -> list[dict[str, Any]]:
    """Every entry of the catalogue, JSON-serialisable, with the `path` of its weights on this machine or None."""
    found = ((entry, _kept(entry)) for entry in catalogue.values())
    return [{**asdict(entry), "path": str(kept) if _is_there(kept) else None} for entry, kept in found]


def find_weights(kind: Kind, model_type: str, catalogue: Mapping[str, Published] = CATALOGUE) -> Path | None:
    """The fetched weights for a labeler `kind` with this architecture; None when they were not fetched."""
    entry = catalogue.get(f"{kind}_{model_type}")
    kept = None if entry is None else _kept(entry)
    return kept if kept is not None and _is_there(kept) else None


def resolve_checkpoint(
    checkpoint: str | None, kind: Kind, model_type: str, catalogue: Mapping[str, Published] = CATALOGUE
) -> Path:
    """The local file that `labeling.checkpoint` means: a path, a URL, a model hub's id or a name in the catalogue.

    Without one, the fetched weights of the labeler. Raises InputError telling what to fetch or to set.
    """
    name = f"{kind}_{model_type}" if checkpoint is None else checkpoint
    if name in catalogue:
        kept = _kept(catalogue[name])
        if _is_there(kept):
            return kept
        raise InputError(
            f"labeling.labeler={kind}: the weights {name} are not here; run 'medweave weights fetch {name}', "
            f"or set labeling.checkpoint to {catalogue[name].file}"
        )
    if checkpoint is None:
        raise InputError(f"labeling.labeler={kind}: nobody publishes {kind} as {model_type}; set labeling.checkpoint")
    if checkpoint.startswith(HUB) or "://" in checkpoint:
        return obtain(checkpoint, weights_folder())
    path = Path(checkpoint).expanduser()
    if not path.is_file():
        raise InputError(f"labeling.labeler={kind}: {path}: no such file; set labeling.checkpoint to the weights")
    return path


def _kept(entry: Published) -> Path:
    return weights_folder() / f"{entry.name}.safetensors"


def _is_there(kept: Path) -> bool:
    return kept.exists() and kept.with_suffix(".json").exists()


def _convert(original: Path, kept: Path, entry: Published, source: str) -> None:
    """Check weights and write them as safetensors; the card comes last, so half a conversion is none."""
    algorithm, _, digest = (entry.checksum or "").partition(":")
    if digest and file_digest(original, algorithm) != digest:
        raise InputError(f"{source}: is not {entry.file} as it was published (not {entry.checksum}); bring it again")
    state = read_state(original, source)
    model_type = architecture(state, source)
    if model_type != entry.model_type:
        raise InputError(f"{source}: is {model_type}, but {entry.name} is {entry.model_type}; bring {entry.to_bring()}")
    card = {
        "name": entry.name,
        "kind": entry.kind,
        "model_type": model_type,
        "source": source,
        "source_sha256": file_digest(original),
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    _write(state, kept, card)


def _write(state: dict[str, torch.Tensor], kept: Path, card: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    about = kept.with_suffix(".json")
    try:
        with whole_file(kept) as aside:
            save_file({name: weights.contiguous() for name, weights in state.items()}, aside)
            about.unlink(missing_ok=True)
        with whole_file(about) as aside:
            aside.write_text(json.dumps({**card, "sha256": file_digest(kept)}, indent=1), encoding="utf-8")
    except OSError as error:
        raise RunError(f"{kept}: cannot be written ({error.strerror or error}); free space there") from error
