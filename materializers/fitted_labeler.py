"""Fitted labelers in the artifact store."""

from __future__ import annotations

from typing import Any, ClassVar

from materializers.folder import FolderMaterializer
from medweave.labeling.fitted import FittedLabeler


class FittedLabelerMaterializer(FolderMaterializer):
    """Copies safetensors and card in and out."""

    SKIP_REGISTRATION: ClassVar[bool] = False
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (FittedLabeler,)

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
