"""Promptable models side by side on images with gold: what each is worth with good boxes and with bad ones."""

from medweave.bench.run import Bench

__all__ = ["Bench"]
