from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from segment_anything import SamPredictor

from medweave.errors import InputError
from medweave.labeling.labelers import Target
from medweave.labeling.prompts import Prompt
from medweave.labeling.sam import SamLabeler, load_sam, loading

BOX = Prompt(1, (10.0, 6.0, 70.0, 40.0))


@pytest.fixture(autouse=True)
def registry(monkeypatch, tmp_path, new_sam):
    monkeypatch.setattr(loading, "sam_model_registry", {"vit_b": new_sam})
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "home"))


def decoded(labeler, image):
    """Low-resolution logits of one box."""
    [[(embedding, prompts)]] = labeler.embed([Target("a", "sha", "a", image, (BOX,))])
    return labeler.logits(embedding, prompts)[0].detach().numpy()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_weights_are_read_from_a_checkpoint_and_digested(tmp_path, image, new_sam, suffix):
    trained = new_sam(seed=5)
    path = tmp_path / f"weights{suffix}"
    save_file(trained.state_dict(), path) if suffix == ".safetensors" else torch.save(trained.state_dict(), path)
    loaded = load_sam("sam", path, "vit_b", "cpu", "fp32")
    expected = decoded(SamLabeler(trained, "sam", "vit_b", "", "cpu", "fp32"), image)
    np.testing.assert_allclose(decoded(loaded, image), expected, atol=1e-4)
    other = decoded(SamLabeler(new_sam(), "sam", "vit_b", "", "cpu", "fp32"), image)
    assert not np.allclose(other, expected, atol=1e-4)
    assert len(loaded.digest) == 64 and loaded.provenance()["labeler_digest"] == loaded.digest
    assert list((tmp_path / "home" / "embeddings").iterdir())


def test_the_digest_is_the_files(tmp_path, new_sam):
    digests = set()
    for seed in (0, 1):
        torch.save(new_sam(seed).state_dict(), tmp_path / f"{seed}.pth")
        digests.add(load_sam("medsam", tmp_path / f"{seed}.pth", "vit_b", "cpu", "fp32").digest)
    assert len(digests) == 2


def test_with_torch_compile_the_labels_stay(tmp_path, image, new_sam, monkeypatch):
    """The backend that traces and runs what it traced, as a compiler may be missing here."""
    torch.save(new_sam().state_dict(), tmp_path / "weights.pth")
    plain = load_sam("sam", tmp_path / "weights.pth", "vit_b", "cpu", "fp32", cache=tmp_path / "one")
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    traced = load_sam("sam", tmp_path / "weights.pth", "vit_b", "cpu", "fp32", compile=True, cache=tmp_path / "two")
    np.testing.assert_allclose(decoded(traced, image), decoded(plain, image), atol=1e-5)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", bytes(64)])
def test_an_unreadable_checkpoint_is_one_line(tmp_path, suffix, content):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights.*cannot be read as weights") as error:
        load_sam("medsam", path, "vit_b", "cpu", "fp32")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_truncated_checkpoint_is_one_line(tmp_path, new_sam, suffix):
    path = tmp_path / f"weights{suffix}"
    state = new_sam().state_dict()
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match=r"weights.*cannot be read as weights") as error:
        load_sam("sam", path, "vit_b", "cpu", "fp32")
    assert "\n" not in str(error.value)


def test_a_missing_checkpoint_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no such file") as error:
        load_sam("sam", tmp_path / "none.pth", "vit_b", "cpu", "fp32")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"labeler=medsam: the weights medsam_vit_b are not here"):
        load_sam("medsam", None, "vit_b", "cpu", "fp32")


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path.joinpath("touched").touch, ())

    path = tmp_path / "weights.pth"
    torch.save({"x": Harmful()}, path)
    with pytest.raises(InputError, match="cannot be read as weights"):
        load_sam("sam", path, "vit_b", "cpu", "fp32")
    assert not (tmp_path / "touched").exists()


def test_weights_of_another_architecture_are_refused(tmp_path, new_sam):
    state = new_sam().state_dict()
    name = "mask_decoder.iou_token.weight"
    others = {
        "1 weights missing, 0 unknown, 0 of another shape": {key: value for key, value in state.items() if key != name},
        "0 weights missing, 1 unknown, 0 of another shape": {**state, "surplus": torch.zeros(1)},
        "0 weights missing, 0 unknown, 1 of another shape": {**state, name: torch.zeros(2, 2)},
    }
    for index, (message, weights) in enumerate(others.items()):
        path = tmp_path / f"{index}.pth"
        torch.save(weights, path)
        with pytest.raises(InputError, match=f"{index}.pth: is no SAM of type vit_b .{message}"):
            load_sam("sam", path, "vit_b", "cpu", "fp32")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(InputError, match="holds no table of weights"):
        load_sam("sam", tmp_path / "list.pth", "vit_b", "cpu", "fp32")


def test_loaded_in_bfloat16_masks_are_segment_anythings(tmp_path, image, new_sam):
    """End to end; the threshold lies in the middle of what the random weights say."""
    sam = new_sam()
    torch.save(sam.state_dict(), tmp_path / "weights.pth")
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    logits = predictor.predict(box=np.array(BOX.box), multimask_output=False, return_logits=True)[0][0]
    ours = load_sam("sam", tmp_path / "weights.pth", "vit_b", "cpu", "bf16")
    ours.sam.mask_threshold = float(np.median(logits))
    [made] = ours.segment([Target("a", "sha", "a", image, (BOX,))])
    found, expected = made.class_map() == 1, logits > np.median(logits)
    assert (found & expected).sum() / (found | expected).sum() >= 0.99
