"""Embedded data: seeded images that look like a modality, with exact masks."""

from medweave.data.phantoms.folder import make_phantom, phantom, write_phantoms

__all__ = ["make_phantom", "phantom", "write_phantoms"]
