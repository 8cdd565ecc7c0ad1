import pytest
import torch

from medweave.compact.weights import load_state, read_card
from medweave.config import Segmentation
from medweave.segmentation.compact import NAME, pretrained, untrained
from medweave.segmentation.networks import Architecture, architecture_of, build_network, pretrained_or_random


def test_logits_are_those_of_the_image_whatever_its_brightness_and_contrast():
    torch.manual_seed(0)
    network, images = untrained(2).eval(), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        logits, other = network(images), network(3 * images - 7)
    assert logits.shape == (2, 2, 64, 64)
    torch.testing.assert_close(logits, other, rtol=1e-2, atol=1e-3)


def test_it_starts_from_the_shipped_weights_and_tells_classes_apart_at_random():
    state, digest = load_state(NAME)
    one, of_one = pretrained(1)
    three, of_three = pretrained(3)
    assert of_one == of_three == digest == read_card(NAME)["sha256"]
    assert read_card(NAME)["parameters"] == sum(value.numel() for value in one.state_dict().values())
    for name, value in three.state_dict().items():
        torch.testing.assert_close(one.state_dict()[name], state[name], rtol=0, atol=0)
        if not name.startswith("head."):
            torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    assert three.state_dict()["head.bias"].shape == (3,)


def test_it_is_the_network_of_the_default_settings():
    architecture = architecture_of(Segmentation(), 1)
    assert architecture == Architecture("Compact", "compact", None, 1)
    network, origin = pretrained_or_random(architecture, None)
    digest = read_card(NAME)["sha256"]
    assert origin == f"drawn scenes ({digest[:12]})"
    built = build_network(architecture)
    assert [name for name, _ in built.named_parameters()] == [name for name, _ in network.named_parameters()]


@pytest.mark.parametrize("size", [32, 96, 160])
def test_sizes(size):
    assert untrained(1)(torch.zeros(1, 3, size, size)).shape == (1, 1, size, size)
