"""From a file of weights to a SAM or MedSAM that is ready to label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from segment_anything import sam_model_registry
from segment_anything.modeling import Sam

from medweave.compute import Precision
from medweave.errors import InputError
from medweave.home import home
from medweave.labeling.sam.attention import FastEncoder
from medweave.labeling.sam.cache import EmbeddingCache
from medweave.labeling.sam.labeler import SamLabeler
from medweave.labeling.weights.catalogue import Kind, file_digest
from medweave.labeling.weights.checkpoint import read_state
from medweave.labeling.weights.store import resolve_checkpoint


def load_sam(
    kind: Kind,
    checkpoint: str | Path | None,
    model_type: str,
    device: str | torch.device,
    precision: Precision,
    classes: int = 1,
    compile: bool = False,
    cache: Path | None = None,
) -> SamLabeler:
    """A SAM or MedSAM with the weights of a .pth, .pt or .safetensors file, and the fast encoder.

    `checkpoint` is what `labeling.checkpoint` may be (see `resolve_checkpoint`); with `compile` the encoder goes
    through torch.compile. `cache` is the folder for image embeddings, without one that in medweave's home.
    Raises InputError for weights that are missing, cannot be read, or are of another architecture than `model_type`.
    """
    path = resolve_checkpoint(None if checkpoint is None else str(checkpoint), kind, model_type)
    state = read_state(path)
    sam = sam_model_registry[model_type]()
    load_state(sam, state, path, model_type)
    sam.image_encoder = FastEncoder(sam.image_encoder, torch.bfloat16 if precision == "bf16" else torch.float32)
    if compile:
        sam.image_encoder.compile()
    kept = EmbeddingCache(cache or home() / "embeddings")
    return SamLabeler(sam, kind, model_type, file_digest(path), device, precision, classes, kept)


def load_state(sam: Sam, state: Mapping[str, torch.Tensor], checkpoint: Path, model_type: str) -> None:
    """Put weights into a Sam; raises InputError, naming the file, when they are another architecture's."""
    expected = sam.state_dict()
    missing = [name for name in expected if name not in state]
    unexpected = [name for name in state if name not in expected]
    misshapen = [name for name in expected if name in state and state[name].shape != expected[name].shape]
    if missing or unexpected or misshapen:
        first = (missing + unexpected + misshapen)[0]
        raise InputError(
            f"{checkpoint}: is no SAM of type {model_type} ({len(missing)} weights missing, {len(unexpected)} unknown, "
            f"{len(misshapen)} of another shape, such as {first}); check labeling.checkpoint and labeling.model_type"
        )
    sam.load_state_dict(state)
