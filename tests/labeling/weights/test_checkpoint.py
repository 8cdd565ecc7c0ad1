import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file

from medweave.errors import InputError
from medweave.labeling.weights import CATALOGUE, examine
from medweave.labeling.weights.catalogue import published
from medweave.labeling.weights.checkpoint import read_state


def saved(content, path):
    torch.save(content, path)
    return path


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_every_form_of_checkpoint_is_read(state, tmp_path):
    save_file(state, tmp_path / "named.pth")  # told by content, not by name
    parallel = {f"module.{name}": weights for name, weights in state.items()}
    forms = [
        tmp_path / "named.pth",
        saved(state, tmp_path / "plain.pth"),
        saved({"model": state, "epoch": 3}, tmp_path / "training.pth"),
        saved({"model": parallel}, tmp_path / "parallel.pth"),
    ]
    for path in forms:
        assert equal(read_state(path), state), path


def test_a_legacy_checkpoint_is_read(state, tmp_path):
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert equal(read_state(tmp_path / "old.pth"), state)


def test_what_a_file_holds_is_told(state, checkpoint, catalogue):
    held = examine(checkpoint, catalogue)
    assert held.sha256 == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert held.parameters == sum(weights.numel() for weights in state.values())
    assert (held.kind, held.model_type, held.published) == ("sam", "vit_b", "sam_vit_b")
    assert json.loads(json.dumps(held.to_json()))["path"] == str(checkpoint)


def test_the_architecture_is_told_by_shapes(registry, tmp_path, catalogue):
    held = examine(saved(registry["vit_l"]().state_dict(), tmp_path / "any.pth"), catalogue)
    assert (held.kind, held.model_type, held.published) == (None, "vit_l", None)


def test_a_file_under_a_published_name_must_be_that_file(state, tmp_path, catalogue):
    state["mask_decoder.iou_token.weight"] += 1
    other = saved(state, tmp_path / "model.pth")
    with pytest.raises(InputError, match=r"model.pth: is not model.pth as it was published \(not md5:"):
        examine(other, catalogue)
    assert examine(other.rename(tmp_path / "mine.pth"), catalogue).published is None


@pytest.mark.parametrize("length", [0, 5, 2000, -100])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_files_are_one_line(state, tmp_path, length, suffix):
    path = tmp_path / f"model{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="cannot be read as weights") as error:
        examine(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path.joinpath("touched").touch, ())

    with pytest.raises(InputError, match="cannot be read as weights"):
        examine(saved({"x": Harmful()}, tmp_path / "harmful.pth"))
    assert not (tmp_path / "touched").exists()


def test_foreign_and_broken_weights_are_refused(state, tmp_path):
    name = "mask_decoder.iou_token.weight"
    foreign = {
        "holds no table of weights": [torch.zeros(1)],
        r"is no SAM \(1 weights differ from vit_b's in name or shape, such as mask_decoder.iou_token.weight": {
            key: weights for key, weights in state.items() if key != name
        },
        r"is no SAM \(2 weights differ from vit_b's": {**state, name: torch.zeros(1), "surplus": torch.zeros(1)},
        r"is no SAM .*such as conv1.weight": {"conv1.weight": torch.zeros(3)},
        "1 weights are not finite, such as mask_decoder.iou_token.weight": {
            **state, name: torch.full_like(state[name], torch.nan)
        },
    }  # fmt: skip
    for message, content in foreign.items():
        with pytest.raises(InputError, match=message):
            examine(saved(content, tmp_path / "foreign.pth"))
    with pytest.raises(InputError, match="no such file"):
        examine(tmp_path / "nothing.pth")


def test_the_catalogue_is_sound():
    lengths = {"md5": 32, "sha256": 64}
    for name, entry in CATALOGUE.items():
        assert name == entry.name
        if entry.checksum is not None:
            algorithm, digest = entry.checksum.split(":")
            assert len(digest) == lengths[algorithm] and int(digest, 16)
        assert entry.url is None or entry.url.endswith(f"/{entry.file}")
    with pytest.raises(InputError, match="did you mean medsam_vit_b"):
        published("medsam_vitb")
