"""Inventories in the artifact store: one Parquet of all files found."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType
from zenml.materializers.base_materializer import BaseMaterializer

from medweave.data.inventory import Inventory

FILE = "inventory.parquet"


class InventoryMaterializer(BaseMaterializer):
    """Writes and reads the inventory's rows."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Inventory,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def save(self, data: Inventory) -> None:
        """Write the rows."""
        with tempfile.TemporaryDirectory() as folder:
            data.to_parquet(Path(folder) / FILE)
            with self.artifact_store.open(f"{self.uri}/{FILE}", "wb") as file:
                file.write((Path(folder) / FILE).read_bytes())

    def load(self, data_type: type[Any]) -> Inventory:  # noqa: ARG002
        """Read the rows."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / FILE
            with self.artifact_store.open(f"{self.uri}/{FILE}", "rb") as file:
                path.write_bytes(file.read())
            return Inventory.from_parquet(path)

    def extract_metadata(self, data: Inventory) -> dict[str, Any]:
        """Files found, usable and set aside in each split."""
        return dict(data.counts())

    def compute_content_hash(self, data: Inventory) -> str:
        """The inventory's digest."""
        return data.digest
