"""What lives in a folder of weights and a card, in the artifact store: that folder as it is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer

CARD = "card.json"


class Kept(Protocol):
    """A type that keeps itself in a folder, with a card, and knows the digest of what is in it."""

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""

    def save(self, folder: Path) -> None:
        """Write its files."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""


class FolderMaterializer(BaseMaterializer):
    """Copies the files in and out; materializers of such types say which and what their metadata are."""

    SKIP_REGISTRATION: ClassVar[bool] = True
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL

    def save(self, data: Kept) -> None:
        """Copy weights first and the card last."""
        with tempfile.TemporaryDirectory() as folder:
            data.save(Path(folder))
            for path in sorted(Path(folder).iterdir(), key=lambda path: path.name == CARD):
                with path.open("rb") as source, self.artifact_store.open(f"{self.uri}/{path.name}", "wb") as target:
                    shutil.copyfileobj(source, target)

    def load(self, data_type: type[Any]) -> Any:
        """Read it through a local copy."""
        with tempfile.TemporaryDirectory() as folder:
            for name in map(str, self.artifact_store.listdir(self.uri)):
                with (
                    self.artifact_store.open(f"{self.uri}/{name}", "rb") as source,
                    (Path(folder) / name).open("wb") as target,
                ):
                    shutil.copyfileobj(source, target)
            return data_type.load(Path(folder))

    def save_visualizations(self, data: Kept) -> dict[str, VisualizationType]:  # noqa: ARG002
        """The card."""
        return {f"{self.uri}/{CARD}": VisualizationType.JSON}

    def compute_content_hash(self, data: Kept) -> str:
        """Its digest."""
        return data.digest
