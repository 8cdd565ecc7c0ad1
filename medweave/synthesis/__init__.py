"""Synthetic images: what makes them, and the interface it keeps.

`train_generator` learns from real images, `make_conditions` draws new masks, `sample_images` makes images for them.
"""

from medweave.synthesis.conditions import Condition, make_conditions
from medweave.synthesis.generator import Generator
from medweave.synthesis.origin import in_origin_groups
from medweave.synthesis.sampling import sample_images
from medweave.synthesis.training import train_generator

__all__ = [
    "Condition",
    "Generator",
    "in_origin_groups",
    "make_conditions",
    "sample_images",
    "train_generator",
]
