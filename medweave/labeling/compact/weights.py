"""The weights that medweave ships: safetensors in half precision beside a JSON card that says what they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from segment_anything.modeling import Sam

from medweave.errors import InputError
from medweave.labeling.compact.model import build_compact

FOLDER = Path(__file__).parent
WEIGHTS, CARD = "compact.safetensors", "compact.json"


def export(model: Sam, facts: dict[str, Any], folder: Path = FOLDER) -> str:
    """Write the weights as float16 and the card with `facts`; returns the weights' SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.half().contiguous().cpu() for name, value in model.state_dict().items()}
    content = save(state)
    digest = hashlib.sha256(content).hexdigest()
    parameters = sum(value.numel() for value in state.values())
    card = {"name": "compact", "sha256": digest, "parameters": parameters, "licence": "Apache-2.0"} | facts
    for name, written in ((WEIGHTS, content), (CARD, (json.dumps(card, indent=2) + "\n").encode())):
        aside = folder / f"{name}.part"
        aside.write_bytes(written)
        aside.replace(folder / name)
    return digest


def read_card(folder: Path = FOLDER) -> dict[str, Any]:
    """What the shipped weights are: see docs/compact.md."""
    card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    return card


def load_model(folder: Path = FOLDER) -> tuple[Sam, str]:
    """The trained network in float32, and its weights' SHA-256.

    Raises InputError when the files are missing or the weights are not those that the card names.
    """
    try:
        expected, content = read_card(folder)["sha256"], (folder / WEIGHTS).read_bytes()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder / WEIGHTS}: cannot be read ({error}); install medweave again") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise InputError(f"{folder / WEIGHTS}: SHA-256 {digest[:12]}… is not the card's; install medweave again")
    model = build_compact()
    model.load_state_dict({name: value.to(torch.float32) for name, value in load(content).items()})
    return model.eval(), digest
