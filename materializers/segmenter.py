"""Segmenters in the artifact store: their directory as it is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer

from medweave.segmentation.segmenter import CARD, Segmenter


class SegmenterMaterializer(BaseMaterializer):
    """Copies safetensors and card in and out."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Segmenter,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL

    def save(self, data: Segmenter) -> None:
        """Copy weights first and the card last."""
        with tempfile.TemporaryDirectory() as folder:
            data.save(Path(folder))
            for path in sorted(Path(folder).iterdir(), key=lambda path: path.name == CARD):
                with path.open("rb") as source, self.artifact_store.open(f"{self.uri}/{path.name}", "wb") as target:
                    shutil.copyfileobj(source, target)

    def load(self, data_type: type[Any]) -> Segmenter:  # noqa: ARG002
        """Read it through a local copy."""
        with tempfile.TemporaryDirectory() as folder:
            for name in map(str, self.artifact_store.listdir(self.uri)):
                with (
                    self.artifact_store.open(f"{self.uri}/{name}", "rb") as source,
                    (Path(folder) / name).open("wb") as target,
                ):
                    shutil.copyfileobj(source, target)
            return Segmenter.load(Path(folder))

    def save_visualizations(self, data: Segmenter) -> dict[str, VisualizationType]:  # noqa: ARG002
        """The card."""
        return {f"{self.uri}/{CARD}": VisualizationType.JSON}

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

    def compute_content_hash(self, data: Segmenter) -> str:
        """The weights' digest."""
        return data.digest
