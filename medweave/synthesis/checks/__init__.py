"""Checks of samples before they are used: near-copies of real images, exposure, duplicates, spread, agreement."""

from medweave.synthesis.checks.agreement import mask_agreement
from medweave.synthesis.checks.folder import check_folder
from medweave.synthesis.checks.pictures import Features, Pictures, common_side, read_pictures
from medweave.synthesis.checks.rows import kept_rows
from medweave.synthesis.checks.run import Checked, SampleCheck, check_samples

__all__ = [
    "Checked",
    "Features",
    "Pictures",
    "SampleCheck",
    "check_folder",
    "check_samples",
    "common_side",
    "kept_rows",
    "mask_agreement",
    "read_pictures",
]
