"""Image tables in the artifact store: the shards as they are, with a contact sheet for the dashboard."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer

from medweave.data import ImageTable
from medweave.report import contact_sheet

PREVIEWED = 12


class ImageTableMaterializer(BaseMaterializer):
    """Copies a table's files in; reads them back a shard at a time, in place."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (ImageTable,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def save(self, data: ImageTable) -> None:
        """Copy shards first and the manifest last."""
        for name in reversed(data.files):
            with data.open(name) as source, self.artifact_store.open(f"{self.uri}/{name}", "wb") as target:
                shutil.copyfileobj(source, target)

    def load(self, data_type: type[Any]) -> ImageTable:  # noqa: ARG002
        """The table at this artifact's URI."""
        return ImageTable(self.uri, self.artifact_store.open)

    def save_visualizations(self, data: ImageTable) -> dict[str, VisualizationType]:
        """A contact sheet of the first images with their masks."""
        rows = [row for _, row in zip(range(PREVIEWED), data, strict=False)]
        if not rows:
            return {}
        uri = f"{self.uri}/preview.png"
        with self.artifact_store.open(uri, "wb") as file:
            file.write(contact_sheet(rows))
        return {uri: VisualizationType.IMAGE}

    def extract_metadata(self, data: ImageTable) -> dict[str, Any]:
        """Counts of rows by label source, and of labels by decision."""
        sources = Counter(row.label_source for shard in data.shards([]) for row in shard)
        decisions = {decision: count for decision, count in data.decisions().items() if decision}
        return {"rows": len(data), "digest": data.digest, "label_sources": dict(sources), "decisions": decisions}

    def compute_content_hash(self, data: ImageTable) -> str:
        """The table's digest."""
        return data.digest
