"""Endless drawn images with exact masks, in the looks of several modalities and of none."""

from medweave.compact.scenes.scenes import LOOKS, SIZE, Scene, make_scene

__all__ = ["LOOKS", "SIZE", "Scene", "make_scene"]
