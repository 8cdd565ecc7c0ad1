"""Generators in the artifact store: their directory as it is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer

from medweave.synthesis.generator import CARD, WEIGHTS, Generator


class GeneratorMaterializer(BaseMaterializer):
    """Copies safetensors and card in and out."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Generator,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL

    def save(self, data: Generator) -> None:
        """Copy weights first and the card last."""
        with tempfile.TemporaryDirectory() as folder:
            data.save(Path(folder))
            for name in (WEIGHTS, CARD):
                with (
                    (Path(folder) / name).open("rb") as source,
                    self.artifact_store.open(f"{self.uri}/{name}", "wb") as target,
                ):
                    shutil.copyfileobj(source, target)

    def load(self, data_type: type[Any]) -> Generator:  # noqa: ARG002
        """Read it through a local copy."""
        with tempfile.TemporaryDirectory() as folder:
            for name in (WEIGHTS, CARD):
                with (
                    self.artifact_store.open(f"{self.uri}/{name}", "rb") as source,
                    (Path(folder) / name).open("wb") as target,
                ):
                    shutil.copyfileobj(source, target)
            return Generator.load(Path(folder))

    def save_visualizations(self, data: Generator) -> dict[str, VisualizationType]:  # noqa: ARG002
        """The card."""
        return {f"{self.uri}/{CARD}": VisualizationType.JSON}

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

    def compute_content_hash(self, data: Generator) -> str:
        """The digest of weights and card."""
        return data.digest
