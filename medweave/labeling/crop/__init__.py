"""The labeler from gold alone: a small network on the image crop around a box."""

from medweave.labeling.crop.labeler import CropLabeler
from medweave.labeling.crop.training import train_crop

__all__ = ["CropLabeler", "train_crop"]
