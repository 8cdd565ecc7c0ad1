import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file

from medweave.errors import InputError, RunError
from medweave.labeling.weights import available, examine, fetch, find_weights, resolve_checkpoint, weights_folder


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names():
    return sorted(path.name for path in weights_folder().iterdir())


def test_weights_are_fetched_converted_bit_by_bit_and_found_again(catalogue, state, checkpoint, site):
    assert find_weights("sam", "vit_b", catalogue) is None
    path = fetch("sam_vit_b", catalogue=catalogue, chunk=40_000)
    kept = load_file(path)
    assert kept.keys() == state.keys()
    assert all(kept[name].dtype == state[name].dtype and torch.equal(kept[name], state[name]) for name in state)
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["sha256"] == digest(path) and card["source_sha256"] == digest(checkpoint)
    assert (card["name"], card["kind"], card["model_type"], card["source"]) == ("sam_vit_b", "sam", "vit_b", site.url)
    assert names() == ["sam_vit_b.json", "sam_vit_b.safetensors"]
    assert find_weights("sam", "vit_b", catalogue) == path == resolve_checkpoint(None, "sam", "vit_b", catalogue)
    assert examine(path, catalogue).published == "sam_vit_b"
    assert [entry["path"] for entry in available(catalogue)] == [str(path), None]
    site.status = 500
    assert fetch("sam_vit_b", catalogue=catalogue) == path


def test_a_broken_download_goes_on_where_it_stopped(catalogue, site):
    site.cut_at = len(site.content) // 2
    with pytest.raises(RunError, match="stopped after"):
        fetch("sam_vit_b", catalogue=catalogue, chunk=40_000)
    assert find_weights("sam", "vit_b", catalogue) is None
    site.cut_at = None
    reached = max(site.starts)
    site.starts.clear()
    assert fetch("sam_vit_b", catalogue=catalogue, chunk=40_000).exists()
    assert site.starts[0] == reached


def test_a_wrong_hash_leaves_nothing(catalogue, site):
    site.content = site.content[:-1] + b"?"
    with pytest.raises(InputError, match=r"is not model.pth as it was published \(not md5:"):
        fetch("sam_vit_b", catalogue=catalogue)
    assert names() == []


def test_weights_brought_by_hand(catalogue, checkpoint, state):
    assert fetch("medsam_vit_b", str(checkpoint), catalogue).exists()
    assert checkpoint.exists()
    brought = weights_folder() / "model.pth"
    brought.write_bytes(checkpoint.read_bytes())
    assert fetch("sam_vit_b", catalogue=catalogue).exists() and brought.exists()
    checkpoint.write_bytes(b"no weights")
    with pytest.raises(InputError, match=f"{checkpoint}: is not model.pth as it was published"):
        fetch("sam_vit_b", str(checkpoint), catalogue)
    assert find_weights("sam", "vit_b", catalogue) is not None


def test_weights_of_another_size_are_refused(catalogue, registry, tmp_path):
    torch.save(registry["vit_l"]().state_dict(), tmp_path / "large.pth")
    with pytest.raises(InputError, match=r"large.pth: is vit_l, but medsam_vit_b is vit_b; bring other.pth"):
        fetch("medsam_vit_b", str(tmp_path / "large.pth"), catalogue)
    assert names() == []


def test_out_of_reach_one_line_says_what_to_bring_and_where(catalogue, site):
    site.status = 503
    for name, file in (("sam_vit_b", f"model.pth (0 MB, {site.url})"), ("medsam_vit_b", "other.pth (http://page)")):
        with pytest.raises(RunError) as error:
            fetch(name, catalogue=catalogue)
        place = weights_folder() / file.split()[0]
        assert str(error.value).endswith(f"; put {file} at {place} and run this again")
        assert "\n" not in str(error.value)


def test_weights_that_changed_since_they_were_fetched(catalogue):
    path = fetch("sam_vit_b", catalogue=catalogue)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not what was fetched"):
        examine(path, catalogue)


def test_weights_without_a_card_are_not_taken_for_fetched(catalogue):
    path = fetch("sam_vit_b", catalogue=catalogue)
    path.with_suffix(".json").unlink()
    assert find_weights("sam", "vit_b", catalogue) is None


def test_a_checkpoint_is_a_path_a_url_or_a_name(catalogue, checkpoint, site):
    assert resolve_checkpoint(str(checkpoint), "sam", "vit_b", catalogue) == checkpoint
    assert resolve_checkpoint(site.url, "sam", "vit_b", catalogue).read_bytes() == checkpoint.read_bytes()
    path = fetch("sam_vit_b", catalogue=catalogue)
    assert resolve_checkpoint("sam_vit_b", "medsam", "vit_l", catalogue) == path


@pytest.mark.parametrize(
    ("setting", "kind", "model_type", "message"),
    [
        (None, "sam", "vit_b", "run 'medweave weights fetch sam_vit_b', or set labeling.checkpoint to model.pth"),
        ("medsam_vit_b", "sam", "vit_b", "run 'medweave weights fetch medsam_vit_b'"),
        (None, "medsam", "vit_h", "nobody publishes medsam as vit_h; set labeling.checkpoint"),
        ("missing.pth", "sam", "vit_b", "missing.pth: no such file; set labeling.checkpoint"),
    ],
)
def test_missing_weights_say_what_to_do(catalogue, setting, kind, model_type, message):
    with pytest.raises(InputError, match=message):
        resolve_checkpoint(setting, kind, model_type, catalogue)
