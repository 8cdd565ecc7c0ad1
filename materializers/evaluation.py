"""Evaluations in the artifact store: one Parquet of per-image scores."""

from __future__ import annotations

from typing import Any, ClassVar

from zenml.enums import ArtifactType
from zenml.materializers.base_materializer import BaseMaterializer

from medweave.segmentation import Evaluation

FILE = "scores.parquet"


class EvaluationMaterializer(BaseMaterializer):
    """Writes and reads the per-image scores."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Evaluation,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA_ANALYSIS

    def save(self, data: Evaluation) -> None:
        """Write the scores."""
        with self.artifact_store.open(f"{self.uri}/{FILE}", "wb") as file:
            data.to_frame().to_parquet(file, index=False)

    def load(self, data_type: type[Any]) -> Evaluation:  # noqa: ARG002
        """Read the scores."""
        import pandas as pd

        with self.artifact_store.open(f"{self.uri}/{FILE}", "rb") as file:
            frame = pd.read_parquet(file)
        return Evaluation.from_frame(frame)

    def extract_metadata(self, data: Evaluation) -> dict[str, Any]:
        """The number of images and the mean Dice."""
        dice = [row.dice for row in data.rows]
        return {"images": len(dice), "mean_dice": sum(dice) / max(len(dice), 1)}

    def compute_content_hash(self, data: Evaluation) -> str:
        """The scores' digest."""
        return data.digest
