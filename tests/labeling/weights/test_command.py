"""`medweave weights` as it is called."""

import json
import sys

import pytest

from medweave import cli
from medweave.labeling.weights import weights_folder


@pytest.fixture
def weights(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["medweave", "weights", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return call


def test_list_tells_what_there_is(weights):
    status, out, _ = weights("list")
    assert status == 0 and "medweave weights fetch medsam_vit_b" in out
    entries = json.loads(weights("list", "--json")[1])
    assert {"sam_vit_b", "sam_vit_l", "sam_vit_h", "medsam_vit_b"} <= {entry["name"] for entry in entries}
    assert all(entry["path"] is None and entry["file"].endswith(".pth") for entry in entries)


def test_weights_by_hand_are_verified_fetched_and_listed(weights, checkpoint, state):
    count = sum(weights.numel() for weights in state.values())
    status, out, _ = weights("verify", checkpoint)
    assert status == 0 and f"SAM or MedSAM vit_b, {count:,} parameters, unlike any file" in out
    kept = weights_folder() / "medsam_point_vit_b.safetensors"
    assert weights("fetch", "medsam_point_vit_b", "--from", checkpoint) == (0, f"{kept}\n", "")
    told = json.loads(weights("verify", kept, "--json")[1])
    assert (told["kind"], told["published"], told["model_type"]) == ("medsam", "medsam_point_vit_b", "vit_b")
    assert str(kept) in weights("list")[1]


def test_errors_are_one_line_with_status_2(weights, tmp_path):
    (tmp_path / "x.pth").write_text("no weights")
    for arguments in (
        ("verify", tmp_path / "x.pth"),
        ("verify", tmp_path / "missing.pth"),
        ("fetch", "medsamm"),
        ("fetch", "medsam_vit_b", "--from", tmp_path / "missing.pth"),
    ):
        status, _, err = weights(*arguments)
        assert status == 2 and err.startswith("medweave: ") and len(err.splitlines()) == 1, arguments
