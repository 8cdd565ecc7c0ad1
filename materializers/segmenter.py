"""Segmenters in the artifact store."""

from __future__ import annotations

from typing import Any, ClassVar

from materializers.folder import FolderMaterializer
from medweave.segmentation.segmenter import Segmenter


class SegmenterMaterializer(FolderMaterializer):
    """Copies safetensors and card in and out."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Segmenter,)

    def extract_metadata(self, data: Segmenter) -> dict[str, Any]:
        """What the network is and how it was trained."""
        training = {
            key: value for key, value in data.card.training.items() if key in ("seed", "steps", "planned_steps")
        }
        return {
            "architecture": data.card.architecture.name,
            "encoder": data.card.architecture.encoder,
            "encoder_weights": data.card.encoder_weights,
            "members": len(data.members),
            "digest": data.digest,
            **training,
        }
