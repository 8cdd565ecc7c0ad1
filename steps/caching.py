"""When a step may be reused: same inputs, same settings, and the same code of its stage."""

from collections.abc import Callable

from zenml.config.cache_policy import CachePolicy
from zenml.utils import source_utils

from medweave.version import code_digest


def _policy(code: Callable[[], str]) -> CachePolicy:
    return CachePolicy(cache_func=source_utils.resolve(code))


def data_code() -> str:
    """Digest of the code that reads and judges data."""
    return code_digest("data")


def segmentation_code() -> str:
    """Digest of the code that trains and predicts."""
    return code_digest("data", "segmentation")


def labeling_code() -> str:
    """Digest of the code that prompts and labels."""
    return code_digest("data", "segmentation", "labeling")


def quality_code() -> str:
    """Digest of the code that checks labels."""
    return code_digest("data", "quality")


def synthesis_code() -> str:
    """Digest of the code that makes images."""
    return code_digest("data", "synthesis")


def samples_code() -> str:
    """Digest of the code that makes images, and of all that looks at them."""
    return code_digest("data", "segmentation", "labeling", "synthesis")


DATA = _policy(data_code)
SEGMENTATION = _policy(segmentation_code)
LABELING = _policy(labeling_code)
QUALITY = _policy(quality_code)
SYNTHESIS = _policy(synthesis_code)
SAMPLES = _policy(samples_code)
