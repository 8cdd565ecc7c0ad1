"""The weights that medweave ships: safetensors in half precision beside a JSON card that says what they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import nn

from medweave.errors import InputError
from medweave.writing import whole_file

FOLDER = Path(__file__).parent


def export(model: nn.Module, facts: dict[str, Any], name: str, folder: Path = FOLDER) -> str:
    """Write `<name>.safetensors` in float16 and `<name>.json`, a card with `facts`; returns the weights' SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.half().contiguous().cpu() for key, value in model.state_dict().items()}
    content = save(state)
    digest = hashlib.sha256(content).hexdigest()
    parameters = sum(value.numel() for value in state.values())
    card = {"name": name, "sha256": digest, "parameters": parameters, "licence": "Apache-2.0"} | facts
    for file, written in (
        (f"{name}.safetensors", content),
        (f"{name}.json", (json.dumps(card, indent=2) + "\n").encode()),
    ):
        with whole_file(folder / file) as aside:
            aside.write_bytes(written)
    return digest


def read_card(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """What the weights of that name are."""
    card: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return card


def load_state(name: str, folder: Path = FOLDER) -> tuple[dict[str, torch.Tensor], str]:
    """The weights in float32, and their SHA-256.

    Raises InputError when the files are missing or the weights are not those that the card names.
    """
    path = folder / f"{name}.safetensors"
    try:
        expected, content = read_card(name, folder)["sha256"], path.read_bytes()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: cannot be read ({error}); install medweave again") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise InputError(f"{path}: SHA-256 {digest[:12]}… is not the card's; install medweave again")
    return {key: value.to(torch.float32) for key, value in load(content).items()}, digest
