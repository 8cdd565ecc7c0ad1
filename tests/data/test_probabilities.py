import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medweave.data.probabilities import decode_probabilities, encode_probabilities
from medweave.errors import InputError


@settings(max_examples=30, deadline=None)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(0, 1, width=32),
    )
)
def test_decoding_gives_probabilities_back_to_half_a_level(probabilities):
    decoded = decode_probabilities(encode_probabilities(probabilities), len(probabilities))
    assert decoded.dtype == np.float32 and decoded.shape == probabilities.shape
    assert np.abs(decoded - probabilities).max() <= 1 / 510 + 1e-6


def test_classes_are_stacked_along_the_height():
    probabilities = np.stack([np.zeros((2, 3)), np.ones((2, 3))])
    png = np.frombuffer(encode_probabilities(probabilities), np.uint8)
    assert cv2.imdecode(png, cv2.IMREAD_UNCHANGED).tolist() == [[0] * 3] * 2 + [[255] * 3] * 2


@pytest.mark.parametrize("png", [b"", b"no png", encode_probabilities(np.zeros((1, 3, 2)))])
def test_bytes_of_another_kind_are_refused(png):
    with pytest.raises(InputError, match="2 stacked maps"):
        decode_probabilities(png, classes=2)
