"""A segmenter as MLflow serves it. MLflow runs this file as a script to make the model (models from code).

A request has a column `image` and the answer a column `mask`, row for row: base64 of an image file of any kind that
medweave reads, and base64 of a PNG of the same height and width whose values are class numbers (0: background).
"""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from medweave.config import Data
from medweave.data.images import decode_image, to_rgb8
from medweave.data.masks import encode_mask
from medweave.errors import InputError


class SegmenterModel(PythonModel):
    """Loads the segmenter that is among the model's files and predicts with it."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the artifact `segmenter`."""
        from medweave.segmentation.segmenter import Segmenter

        self._segmenter = Segmenter.load(Path(context.artifacts["segmenter"]))

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:  # type: ignore[override]
        """Segment the column `image`; raises InputError that names the row of what is no image."""
        images = (_image(text, f"image {row}") for row, text in enumerate(model_input["image"]))
        masks = self._segmenter.predict_masks(images)
        return pd.DataFrame({"mask": [base64.b64encode(encode_mask(mask)).decode() for mask in masks]})


def _image(text: str, name: str) -> np.ndarray:
    """HxWx3 uint8 of a base64 text."""
    try:
        content = base64.b64decode(text)
    except (TypeError, ValueError):
        raise InputError(f"{name}: is not base64; send the image's file in base64") from None
    return to_rgb8(decode_image(content, name, Data().max_pixels))


set_model(SegmenterModel())
