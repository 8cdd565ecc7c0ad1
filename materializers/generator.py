"""Generators in the artifact store."""

from __future__ import annotations

from typing import Any, ClassVar

from materializers.folder import FolderMaterializer
from medweave.synthesis.generator import Generator


class GeneratorMaterializer(FolderMaterializer):
    """Copies safetensors and card in and out."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Generator,)

    def extract_metadata(self, data: Generator) -> dict[str, Any]:
        """What the generator is and how far it was trained."""
        architecture, training = data.card.architecture, data.card.training
        return {
            "kind": architecture.kind,
            "image_size": architecture.image_size,
            "conditional": data.conditional,
            "steps": training.get("steps", 0),
            "digest": data.digest,
        }
