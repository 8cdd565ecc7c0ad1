"""SAM and MedSAM: encode an image once, decode any number of prompts."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from medweave.errors import InputError
from medweave.labeling.labelers import Precision, merge_scores
from medweave.labeling.prompts import Prompt

if TYPE_CHECKING:
    import torch
    from segment_anything.modeling import Sam

Kind = Literal["sam", "medsam"]

PUBLISHED = {
    "sam": {"vit_b": "sam_vit_b_01ec64.pth", "vit_l": "sam_vit_l_0b3195.pth", "vit_h": "sam_vit_h_4b8939.pth"},
    "medsam": {"vit_b": "medsam_vit_b.pth"},
}
PROJECTS = {"sam": "facebookresearch/segment-anything", "medsam": "bowang-lab/MedSAM"}


@dataclass(frozen=True)
class Embedding:
    """What the image encoder made of an image.

    `features` is 1xCxhxw float32; `input_size` (height, width) is what the image filled of the square input, and
    `size` its own.
    """

    features: torch.Tensor
    input_size: tuple[int, int]
    size: tuple[int, int]


class SamLabeler:
    """A Sam of segment-anything, fed as SAM or as MedSAM was trained to be.

    `sam`: longer side to the input size, normalised by SAM's mean and deviation, padded (Kirillov et al., 2023).
    `medsam`: squashed to the square input, scaled to [0, 1] by its minimum and maximum (Ma et al., 2024).
    With `precision` bf16 the encoder runs in mixed precision; the decoder never does, as bfloat16 would blur the
    prompts' coordinates.
    """

    requires_prompts = True

    def __init__(
        self, sam: Sam, kind: Kind, model_type: str, digest: str, device: str, precision: Precision = "bf16"
    ) -> None:
        self.name: str = kind
        self.digest = digest
        self._sam = sam.to(device).eval()
        self._model_type = model_type
        self._precision = precision

    def provenance(self, _image_id: str | None = None) -> dict[str, Any]:
        """Weights, model type and precision."""
        return {
            "labeler": self.name,
            "labeler_digest": self.digest,
            "model_type": self._model_type,
            "precision": self._precision,
        }

    def segment(self, image: NDArray[np.uint8], prompts: Sequence[Prompt], _image_id: str) -> NDArray[np.uint8]:
        """HxW class map of an image HxWx3 uint8."""
        return self.decode(self.encode(image), prompts)

    def encode(self, image: NDArray[np.uint8]) -> Embedding:
        """The embedding of an image HxWx3 uint8: the costly part."""
        import torch

        inputs, input_size = self._preprocess(image)
        with torch.no_grad(), torch.autocast(self._sam.device.type, torch.bfloat16, self._precision == "bf16"):
            features = self._sam.image_encoder(inputs[None]).float()
        return Embedding(features, input_size, (image.shape[0], image.shape[1]))

    def decode(self, embedding: Embedding, prompts: Sequence[Prompt]) -> NDArray[np.uint8]:
        """HxW class map at the image's own size: prompts of a class unite, the higher logit wins between classes."""
        import torch

        with torch.no_grad():
            return merge_scores(self._scores(embedding, prompts), embedding.size)

    def _scores(self, embedding: Embedding, prompts: Sequence[Prompt]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The class and HxW score (positive on the object) of each prompt; prompts of the same form in one batch."""
        forms: dict[tuple[bool, int], list[Prompt]] = defaultdict(list)
        for prompt in prompts:
            forms[prompt.box is None, len(prompt.points)].append(prompt)
        for alike in forms.values():
            for prompt, low_resolution in zip(alike, self._decode_batch(embedding, alike), strict=True):
                yield prompt.class_index, self._upscale(low_resolution[None, None], embedding)

    def _decode_batch(self, embedding: Embedding, prompts: Sequence[Prompt]) -> torch.Tensor:
        """Logits Bxhxw of prompts that all have a box, or none, and equally many points.

        Points alone are ambiguous: of the three masks that SAM offers then, the one it trusts most is taken.
        """
        import torch

        height, width = embedding.size
        stretch = torch.tensor([embedding.input_size[1] / width, embedding.input_size[0] / height])
        points = boxes = None
        if prompts[0].box is not None:
            boxes = torch.tensor([prompt.box for prompt in prompts]) * stretch.repeat(2)
            boxes = boxes.to(self._sam.device)
        if prompts[0].points:
            coordinates = torch.tensor([[point[:2] for point in prompt.points] for prompt in prompts]) * stretch
            signs = torch.tensor([[int(point[2]) for point in prompt.points] for prompt in prompts])
            points = coordinates.to(self._sam.device), signs.to(self._sam.device)
        sparse, dense = self._sam.prompt_encoder(points=points, boxes=boxes, masks=None)
        logits, trust = self._sam.mask_decoder(
            image_embeddings=embedding.features,
            image_pe=self._sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=boxes is None and self.name == "sam",
        )
        best: torch.Tensor = logits[torch.arange(len(prompts)), trust.argmax(dim=1)]
        return best

    def _upscale(self, logits: torch.Tensor, embedding: Embedding) -> NDArray[np.float32]:
        """HxW score of 1x1xhxw logits; MedSAM resizes probabilities, not logits."""
        from torch.nn.functional import interpolate

        if self.name == "sam":
            full = self._sam.postprocess_masks(logits, embedding.input_size, embedding.size) - self._sam.mask_threshold
        else:
            full = interpolate(logits.sigmoid(), embedding.size, mode="bilinear", align_corners=False) - 0.5
        score: NDArray[np.float32] = full[0, 0].float().cpu().numpy()
        return score

    def _preprocess(self, image: NDArray[np.uint8]) -> tuple[torch.Tensor, tuple[int, int]]:
        """The encoder's 3xSxS float32 input, and how much of it (height, width) the image fills."""
        import cv2
        import torch
        from segment_anything.utils.transforms import ResizeLongestSide

        side = self._sam.image_encoder.img_size
        if self.name == "sam":
            resized = ResizeLongestSide(side).apply_image(image)
            pixels = torch.from_numpy(resized).permute(2, 0, 1).to(self._sam.device)
            return self._sam.preprocess(pixels), (resized.shape[0], resized.shape[1])
        shrinks = image.shape[0] * image.shape[1] > side * side
        resized = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        pixels = torch.from_numpy(resized).permute(2, 0, 1).to(self._sam.device).float()
        low, high = pixels.min(), pixels.max()
        return (pixels - low) / (high - low).clamp_min(1e-8), (side, side)


def load_sam(
    kind: Kind, checkpoint: Path | None, model_type: str, device: str, precision: Precision = "bf16"
) -> SamLabeler:
    """A SAM or MedSAM with the weights of a .pth, .pt or .safetensors file.

    Raises InputError for a file that is missing, cannot be read, or holds another architecture than `model_type`.
    """
    from segment_anything import sam_model_registry

    if checkpoint is None or not checkpoint.is_file():
        where = "labeling.checkpoint is not set" if checkpoint is None else f"{checkpoint}: no such file"
        published = PUBLISHED[kind].get(model_type, "a checkpoint")
        raise InputError(
            f"labeling.labeler={kind}: {where}; set labeling.checkpoint to {published} (published by {PROJECTS[kind]})"
        )
    state = _read_state(checkpoint)
    sam = sam_model_registry[model_type]()
    load_state(sam, state, checkpoint, model_type)
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SamLabeler(sam, kind, model_type, digest, device, precision)


def load_state(sam: Sam, state: dict[str, torch.Tensor], checkpoint: Path, model_type: str) -> None:
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


def _read_state(checkpoint: Path) -> dict[str, torch.Tensor]:
    import torch
    from safetensors.torch import load_file

    try:
        if checkpoint.suffix == ".safetensors":
            state = load_file(checkpoint)
        else:
            state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise errors of every kind
        raise InputError(
            f"{checkpoint}: cannot be read as weights ({type(error).__name__}); bring the file again"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(weights, torch.Tensor) for weights in state.values()):
        raise InputError(f"{checkpoint}: holds no table of weights; give the file as it was published")
    return state
