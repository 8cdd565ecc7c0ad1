"""The built-in segmentation network, and the weights from which it starts: learned from drawn scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

NAME = "compact-segmentation"
"""Of the weights in `medweave/compact`."""


def untrained(classes: int) -> nn.Module:
    """The network with random weights."""
    from medweave.segmentation.compact.network import Compact

    return Compact(classes)


def pretrained(classes: int) -> tuple[nn.Module, str]:
    """The network with the shipped weights, and their SHA-256; what tells classes apart is random.

    Raises InputError when the weights are missing or are not those that their card names.
    """
    from medweave.compact.weights import load_state

    state, digest = load_state(NAME)
    network = untrained(classes)
    if classes > 1:
        state |= {name: value for name, value in network.state_dict().items() if name.startswith("head.")}
    network.load_state_dict(state)
    return network, digest
