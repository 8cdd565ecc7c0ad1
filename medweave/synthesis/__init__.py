"""Synthetic images: what makes them, and the interface it keeps.

`train_generator` learns from real images, `make_conditions` draws new masks, `sample_images` makes images for them.
"""

from medweave.synthesis.conditions import Condition, make_conditions
from medweave.synthesis.generator import Generator
from medweave.synthesis.gpus import train_on_all_gpus
from medweave.synthesis.origin import in_origin_groups
from medweave.synthesis.plan import SamplePlan, plan_samples
from medweave.synthesis.sampling import sample_images, sample_part
from medweave.synthesis.training import train_generator

__all__ = [
    "Condition",
    "Generator",
    "SamplePlan",
    "in_origin_groups",
    "make_conditions",
    "plan_samples",
    "sample_images",
    "sample_part",
    "train_generator",
    "train_on_all_gpus",
]
