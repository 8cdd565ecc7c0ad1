"""Fitted labelers in the artifact store: their directory as it is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer

from medweave.labeling.fitted import CARD, FittedLabeler


class FittedLabelerMaterializer(BaseMaterializer):
    """Copies safetensors and card in and out."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (FittedLabeler,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL

    def save(self, data: FittedLabeler) -> None:
        """Copy weights first and the card last."""
        with tempfile.TemporaryDirectory() as folder:
            data.save(Path(folder))
            for path in sorted(Path(folder).iterdir(), key=lambda path: path.name == CARD):
                with path.open("rb") as source, self.artifact_store.open(f"{self.uri}/{path.name}", "wb") as target:
                    shutil.copyfileobj(source, target)

    def load(self, data_type: type[Any]) -> FittedLabeler:  # noqa: ARG002
        """Read it through a local copy."""
        with tempfile.TemporaryDirectory() as folder:
            for name in map(str, self.artifact_store.listdir(self.uri)):
                with (
                    self.artifact_store.open(f"{self.uri}/{name}", "rb") as source,
                    (Path(folder) / name).open("wb") as target,
                ):
                    shutil.copyfileobj(source, target)
            return FittedLabeler.load(Path(folder))

    def save_visualizations(self, data: FittedLabeler) -> dict[str, VisualizationType]:  # noqa: ARG002
        """The card."""
        return {f"{self.uri}/{CARD}": VisualizationType.JSON}

    def extract_metadata(self, data: FittedLabeler) -> dict[str, Any]:
        """What was fitted, and how much better that is on gold."""
        card = data.card
        metadata: dict[str, Any] = {
            "labeler": card.labeler,
            "digest": data.digest,
            "weights": len(data.weights),
            "prompts": card.prompts.model_dump(mode="json"),
            **{f"dice_{when}": dice for when, dice in card.dice.items()},
        }
        return metadata | ({"dropped": card.dropped} if card.dropped else {})

    def compute_content_hash(self, data: FittedLabeler) -> str:
        """The digest of card and weights."""
        return data.digest
