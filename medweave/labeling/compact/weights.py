"""The promptable model's weights."""

from __future__ import annotations

from pathlib import Path

from segment_anything.modeling import Sam

from medweave.compact.weights import FOLDER, load_state
from medweave.labeling.compact.model import build_compact

NAME = "compact"


def load_model(folder: Path = FOLDER) -> tuple[Sam, str]:
    """The trained network in float32, and its weights' SHA-256.

    Raises InputError when the files are missing or the weights are not those that the card names.
    """
    state, digest = load_state(NAME, folder)
    model = build_compact()
    model.load_state_dict(state)
    return model.eval(), digest
