"""A segmenter as TorchScript agrees with the original, and one that would not is refused."""

import numpy as np
import pytest
import torch

from medweave.config import Compute, Segmentation
from medweave.errors import InputError, RunError
from medweave.segmentation import Segmenter, export
from medweave.segmentation.networks import architecture_of, build_network
from medweave.segmentation.segmenter import Card

IMAGES = list(np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), np.uint8))
BATCH = np.ascontiguousarray(np.stack(IMAGES).transpose(0, 3, 1, 2))


@pytest.fixture(scope="module")
def segmenter():
    """Two members, two classes, flips in both directions."""
    torch.manual_seed(0)
    architecture = architecture_of(Segmentation(), classes=2)
    members = [build_network(architecture).eval() for _ in range(2)]
    card = Card(architecture, ("a", "b"), 32, "random", (9, 9), flips=(2, 3))
    return Segmenter(card, members, Compute(device="cpu", precision="fp32", threads=1))


def test_the_torchscript_file_gives_the_originals_probabilities(segmenter, tmp_path):
    assert export.export_model(segmenter, tmp_path / "model.pt", "torchscript") <= export.TOLERANCE
    made = torch.jit.load(tmp_path / "model.pt")(torch.from_numpy(BATCH)).detach().numpy()
    assert made.shape == (5, 2, 32, 32)
    np.testing.assert_allclose(made, segmenter.probabilities(IMAGES), atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_the_onnx_file_gives_the_originals_probabilities_for_any_number_of_images(segmenter, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    assert export.export_model(segmenter, tmp_path / "model.onnx", "onnx") <= export.TOLERANCE
    (made,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(["probabilities"], {"images": BATCH})
    np.testing.assert_allclose(made, segmenter.probabilities(IMAGES), atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_an_export_that_differs_is_not_written(segmenter, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "normalise", lambda images: 0 * images.float())
    with pytest.raises(RunError, match="the export differs from the model by"):
        export.export_model(segmenter, tmp_path / "model.pt", "torchscript")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_error(segmenter, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        export.export_model(segmenter, tmp_path / "no such folder" / "model.pt", "torchscript")
