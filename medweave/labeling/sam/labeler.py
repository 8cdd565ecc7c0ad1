"""SAM, MedSAM and compact: encode an image once, decode any number of prompts."""

from __future__ import annotations

import copy
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from segment_anything.modeling import Sam
from torch import Tensor

from medweave.compute import Precision, in_precision
from medweave.labeling.consensus import Vote, consensus
from medweave.labeling.labelers import Made, NoMask, Target
from medweave.labeling.prompts import Prompt
from medweave.labeling.sam.attention import FastEncoder
from medweave.labeling.sam.cache import EmbeddingCache
from medweave.labeling.sam.frames import Frame
from medweave.labeling.sam.kinds import KINDS, KindName
from medweave.labeling.sam.resampling import downscale, upscale
from medweave.version import code_digest

DECODER = ("mask_decoder.", "prompt_encoder.")
PIXELS_AT_ONCE = {"cpu": 1 << 20, "cuda": 1 << 23}
"""Input pixels that the encoder takes at a time: one image of 1024 x 1024 on a CPU, eight on a GPU."""
WORKERS = 4


@dataclass(frozen=True)
class Embedding:
    """What the encoder made of a frame: `features` 1xCxhxw float32; `size` is the image's (height, width)."""

    features: Tensor
    frame: Frame
    size: tuple[int, int]


class SamLabeler:
    """A Sam of segment-anything's classes, fed as its kind was trained to be (see `kinds.py`).

    With `precision` bf16 the encoder computes in bfloat16; the decoder never does, as that would blur the prompts'
    coordinates. `digest` is that of the weights; by it, image, frame and precision embeddings are kept in `cache`.
    """

    requires_prompts = True

    def __init__(
        self,
        sam: Sam,
        kind: KindName,
        model_type: str,
        digest: str,
        device: str | torch.device,
        precision: Precision,
        classes: int = 1,
        cache: EmbeddingCache | None = None,
    ) -> None:
        self.name: str = kind
        self.digest = digest
        self.sam = sam.to(device).eval()
        self._kind = KINDS[kind]
        self._model_type = model_type
        self.precision = precision
        self.classes = classes
        self._cache = cache
        self._decoder_digest: str | None = None

    def provenance(self, _image_id: str | None = None) -> dict[str, Any]:
        """Weights, model type, precision, and the digest of a decoder that is not the weights' own."""
        return {
            "labeler": self.name,
            "labeler_digest": self.digest,
            "model_type": self._model_type,
            "precision": self.precision,
            **({"decoder_digest": self._decoder_digest} if self._decoder_digest else {}),
        }

    def segment(self, targets: Sequence[Target]) -> list[Made | NoMask]:
        """One label a target; see `Labeler`."""
        return [self.label(*both) for both in zip(targets, self.embed(targets), strict=True)]

    def embed(self, targets: Sequence[Target]) -> list[list[tuple[Embedding, list[Prompt]]]]:
        """Each target's frames, with the prompts that each frame serves; none for a target without prompts.

        Prompts are clipped to the image; what lies outside of it is left out.
        """
        plans: list[tuple[int, Frame, list[Prompt]]] = []
        for index, target in enumerate(targets):
            prompts = inside(target.prompts, _shape(target))
            frames = self._kind.frames(_shape(target), prompts, self._side) if prompts else []
            plans.extend((index, frame, served) for frame, served in frames)
        cached = [
            self._cache.get(self._key(targets[index], frame)) if self._cache else None for index, frame, _ in plans
        ]
        missing = [(targets[plan[0]], plan[1]) for plan, kept in zip(plans, cached, strict=True) if kept is None]
        made = iter(self._encode(missing))
        embedded: list[list[tuple[Embedding, list[Prompt]]]] = [[] for _ in targets]
        for (index, frame, served), kept in zip(plans, cached, strict=True):
            features = next(made) if kept is None else kept.to(self.sam.device)
            embedded[index].append((Embedding(features.float(), frame, _shape(targets[index])), served))
        return embedded

    def label(self, target: Target, embedded: Sequence[tuple[Embedding, list[Prompt]]]) -> Made | NoMask:
        """The label of a target that was embedded by this labeler, or by one that shares its encoder."""
        if target.prompts and not embedded:
            return NoMask("the prompts lie outside the image")
        votes = []
        for embedding, prompts in embedded:
            with torch.no_grad():
                logits, scores = self.logits(embedding, prompts, target.rounds)
            above = logits.cpu() - self.sam.mask_threshold
            for prompt, mask, score in zip(prompts, above, scores.tolist(), strict=True):
                window, probability = upscale(
                    mask, embedding.frame, embedding.size, self._side, self._kind.upscales_logits
                )
                estimate = min(max(score, 0.0), 1.0) if self._kind.estimates_iou else None
                votes.append(Vote(prompt, window, probability.numpy(), estimate))
        return consensus(votes, self.classes, _shape(target))

    def logits(self, embedding: Embedding, prompts: Sequence[Prompt], rounds: int = 1) -> tuple[Tensor, Tensor]:
        """Low-resolution logits Bxhxw in the frame, and B predictions of the IoU, of B prompts of any forms.

        From the second of `rounds` on the decoder is also given its own mask. Gradients reach the decoder and the
        prompt encoder. Prompts of the same form (box or none, number of points) are decoded at once.
        """
        forms: dict[tuple[bool, int], list[int]] = defaultdict(list)
        for index, prompt in enumerate(prompts):
            forms[prompt.box is None, len(prompt.points)].append(index)
        decoded = []
        for members in forms.values():
            alike = [prompts[index] for index in members]
            masks, scores = self._decode(embedding, alike, None)
            for _ in range(rounds - 1):
                masks, scores = self._decode(embedding, alike, masks[:, None])
            decoded.append((masks, scores))
        order = torch.tensor([index for members in forms.values() for index in members]).argsort()
        masks, scores = (torch.cat(parts)[order] for parts in zip(*decoded, strict=True))
        return masks, scores

    def low_resolution(self, mask: NDArray[np.uint8], frame: Frame) -> Tensor:
        """What `logits` are to give of an HxW mask of 0 and 1: its share of each low-resolution pixel, hxw, 0..1."""
        return torch.from_numpy(downscale(mask, frame, self._side, self._low_side)).to(self.sam.device)

    def decoder_state(self) -> dict[str, Tensor]:
        """Copies, on the CPU, of the weights of the mask decoder and of the prompt encoder."""
        state = self.sam.state_dict()
        return {name: state[name].detach().cpu().clone() for name in state if name.startswith(DECODER)}

    def with_decoder(self, state: Mapping[str, Tensor]) -> SamLabeler:
        """This labeler with a decoder of its own with these weights; the encoder and the cache are shared."""
        other = copy.copy(self)
        other.__dict__.pop("_position", None)
        other.sam = copy.copy(self.sam)
        other.sam._modules = dict(self.sam._modules)
        for part in DECODER:
            module = copy.deepcopy(getattr(self.sam, part[:-1]))
            module.load_state_dict({name.removeprefix(part): state[name] for name in state if name.startswith(part)})
            setattr(other.sam, part[:-1], module)
        ordered = {name: state[name].detach().cpu().contiguous() for name in sorted(state)}
        other._decoder_digest = hashlib.sha256(save(ordered)).hexdigest()
        return other

    @property
    def _side(self) -> int:
        return int(self.sam.image_encoder.img_size)

    @property
    def _low_side(self) -> int:
        return int(self.sam.prompt_encoder.mask_input_size[0])

    @cached_property
    def _position(self) -> Tensor:
        position: Tensor = self.sam.prompt_encoder.get_dense_pe().detach()
        return position

    def _key(self, target: Target, frame: Frame) -> tuple[Any, ...]:
        code = code_digest("data", "labeling/sam")
        return target.image_sha256, self.digest, code, self.precision, self.name, *astuple(frame)

    def _encode(self, jobs: Sequence[tuple[Target, Frame]]) -> Iterable[Tensor]:
        """The features 1xCxhxw of each target's frame, in the precision; inputs are prepared in threads meanwhile."""
        device, kind = self.sam.device, self._kind
        at_once = max(1, PIXELS_AT_ONCE.get(device.type, 1 << 20) // self._side**2)
        inner: Precision = "fp32" if isinstance(self.sam.image_encoder, FastEncoder) else self.precision
        with ThreadPoolExecutor(WORKERS) as pool:
            inputs = pool.map(lambda job: kind.pixels(job[0].image, job[1], self._side), jobs)
            for start in range(0, len(jobs), at_once):
                batch = torch.from_numpy(np.stack(list(islice(inputs, at_once)))).to(device)
                with torch.no_grad(), in_precision(inner, device):
                    features = self.sam.image_encoder(batch)
                kept = features.to(torch.bfloat16 if self.precision == "bf16" else torch.float32)
                for (target, frame), one in zip(jobs[start : start + at_once], kept.split(1), strict=True):
                    if self._cache:
                        self._cache.put(self._key(target, frame), one)
                    yield one

    def _decode(self, embedding: Embedding, prompts: Sequence[Prompt], masks: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits Bxhxw and predicted IoU of prompts of one form, given logits Bx1xhxw as a further prompt."""
        boxes, points = self._in_frame(prompts, embedding.frame)
        sparse, dense = self.sam.prompt_encoder(points=points, boxes=boxes, masks=masks)
        logits, scores = self.sam.mask_decoder(
            image_embeddings=embedding.features,
            image_pe=self._position,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=boxes is None and self._kind.offers_three,
        )
        best = torch.arange(len(prompts), device=scores.device), scores.argmax(dim=1)
        return logits[best], scores[best]

    def _in_frame(self, prompts: Sequence[Prompt], frame: Frame) -> tuple[Tensor | None, tuple[Tensor, Tensor] | None]:
        """Boxes Bx4 and points (BxNx2, BxN) of prompts of one form, in pixels of the encoder's input."""
        device = self.sam.device
        corner, scale = torch.tensor(frame.window[:2]), torch.tensor(frame.scale)
        boxes = points = None
        if prompts[0].box is not None:
            corners = (torch.tensor([prompt.box for prompt in prompts]).reshape(-1, 2, 2) - corner) * scale
            if frame.mirrored:
                corners[..., 0] = frame.input_size[1] - corners[..., 0].flip(1)
            boxes = corners.reshape(-1, 4).to(device)
        if prompts[0].points:
            spots = torch.tensor([[point[:2] for point in prompt.points] for prompt in prompts])
            moved = (spots - corner) * scale + (0.5 * scale - 0.5 if self._kind.centres else 0.0)
            if frame.mirrored:
                moved[..., 0] = frame.input_size[1] - 1 - moved[..., 0]
            signs = torch.tensor([[int(point[2]) for point in prompt.points] for prompt in prompts])
            points = moved.to(device), signs.to(device)
        return boxes, points


def inside(prompts: Iterable[Prompt], shape: tuple[int, int]) -> list[Prompt]:
    """Prompts with their boxes clipped to an image of (height, width), and without what lies outside of it.

    A box without an area, and coordinates that are not finite, lie outside.
    """
    height, width = shape
    clipped = []
    for prompt in prompts:
        box = prompt.box
        if box is not None:
            x0, y0, x1, y1 = np.clip(box, 0, (width, height, width, height)).tolist()
            box = (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
        points = tuple(p for p in prompt.points if -0.5 <= p[0] < width - 0.5 and -0.5 <= p[1] < height - 0.5)
        if box is not None or any(point[2] for point in points):
            clipped.append(replace(prompt, box=box, points=points))
    return clipped


def _shape(target: Target) -> tuple[int, int]:
    return target.image.shape[0], target.image.shape[1]
