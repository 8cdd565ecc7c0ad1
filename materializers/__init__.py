"""How medweave's types live in ZenML's artifact store."""

from materializers.evaluation import EvaluationMaterializer
from materializers.fitted_labeler import FittedLabelerMaterializer
from materializers.generator import GeneratorMaterializer
from materializers.image_table import ImageTableMaterializer
from materializers.inventory import InventoryMaterializer
from materializers.segmenter import SegmenterMaterializer

__all__ = [
    "EvaluationMaterializer",
    "FittedLabelerMaterializer",
    "GeneratorMaterializer",
    "ImageTableMaterializer",
    "InventoryMaterializer",
    "SegmenterMaterializer",
]
