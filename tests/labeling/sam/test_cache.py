import json
import os
import resource
import struct
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from medweave.labeling.labelers import Target
from medweave.labeling.prompts import Prompt
from medweave.labeling.sam import EmbeddingCache, SamLabeler

BOX = Prompt(1, (10.0, 6.0, 70.0, 40.0))


def features(seed=0, dtype=torch.bfloat16):
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_what_is_put_is_what_is_got(tmp_path, dtype):
    EmbeddingCache(tmp_path / "new").put(("a", 1), features(dtype=dtype))
    found = EmbeddingCache(tmp_path / "new").get(("a", 1))
    assert found.dtype == dtype and torch.equal(found, features(dtype=dtype))
    assert EmbeddingCache(tmp_path / "new").get(("a", 2)) is None
    assert [path.suffix for path in (tmp_path / "new").iterdir()] == [".safetensors"]


def flipped(content):
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def without_metadata(content):
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__")
    shorter = json.dumps(header).encode()
    return struct.pack("<Q", len(shorter)) + shorter + content[8 + length :]


@pytest.mark.parametrize(
    "damage", [flipped, without_metadata, lambda content: content[:-1], lambda _: b"", lambda _: bytes(40)]
)
def test_a_damaged_entry_is_removed_and_made_again(tmp_path, damage):
    cache = EmbeddingCache(tmp_path)
    cache.put(("a",), features())
    [path] = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get(("a",)) is None and not path.exists()
    cache.put(("a",), features())
    assert torch.equal(cache.get(("a",)), features())


def test_the_least_recently_used_go(tmp_path):
    one = features(dtype=torch.float32)  # 1024 bytes and a header
    cache = EmbeddingCache(tmp_path, limit=8_000)
    for name in range(5):
        cache.put((name,), one)
    for age, name in enumerate([1, 0, 2, 3, 4]):
        os.utime(cache._path((name,)), (age, age))
    assert cache.get((1,)) is not None  # used now
    for name in range(5, 10):
        cache.put((name,), one)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 8_000
    assert cache.get((1,)) is not None and cache.get((9,)) is not None
    assert cache.get((0,)) is None and cache.get((2,)) is None


def test_a_cache_that_was_full_before_makes_room(tmp_path):
    for name in range(6):
        EmbeddingCache(tmp_path).put((name,), features(dtype=torch.float32))
    EmbeddingCache(tmp_path, limit=4_000).put((6,), features(dtype=torch.float32))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4_000
    assert EmbeddingCache(tmp_path).get((6,)) is not None


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    cache = EmbeddingCache(tmp_path / "file" / "folder")
    for name in range(3):
        cache.put((name,), features())
        assert cache.get((name,)) is None
    assert capsys.readouterr().err.count("image embeddings are not kept any more") == 1


@contextmanager
def no_room():
    """Files of this process may have 100 bytes: writing more fails half-way, as on a full disk.

    Only while the code under test writes: pytest's own report may go to a file.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_said_once_and_leaves_nothing(tmp_path, capsys):
    cache = EmbeddingCache(tmp_path)
    with no_room():
        for name in range(3):
            cache.put((name,), features())
            assert cache.get((name,)) is None
    assert capsys.readouterr().err.count("image embeddings are not kept any more") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_can_only_be_read_is_read(tmp_path):
    EmbeddingCache(tmp_path).put(("a",), features())
    tmp_path.chmod(0o555)
    try:
        assert torch.equal(EmbeddingCache(tmp_path).get(("a",)), features())
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_embedding_does_not_depend_on_the_cache(tmp_path, new_sam, image, precision, monkeypatch):
    calls = []
    sam = new_sam()
    sam.image_encoder.register_forward_hook(lambda *_: calls.append(1))
    targets = [Target(str(k), f"sha {k}", "g", np.roll(image, k, 1), (BOX,)) for k in range(3)]

    def run(cache, digest="d", kind="sam", precision=precision):
        calls.clear()
        embedded = SamLabeler(sam, kind, "tiny", digest, "cpu", precision, cache=cache).embed(targets)
        return torch.cat([embedding.features for [(embedding, _)] in embedded])

    without = run(None)
    first = run(EmbeddingCache(tmp_path))
    assert len(calls) == 1
    again = run(EmbeddingCache(tmp_path))
    assert not calls
    assert torch.equal(without, first) and torch.equal(without, again)
    run(EmbeddingCache(tmp_path), digest="other weights")
    assert calls
    run(EmbeddingCache(tmp_path), kind="medsam")
    assert calls
    run(EmbeddingCache(tmp_path), precision={"fp32": "bf16", "bf16": "fp32"}[precision])
    assert calls
    monkeypatch.setattr("medweave.labeling.sam.labeler.code_digest", lambda *_: "other code")
    run(EmbeddingCache(tmp_path))
    assert calls


def test_a_cached_embedding_serves_other_prompts(tmp_path, new_sam, image):
    sam, calls = new_sam(), []
    ours = SamLabeler(sam, "sam", "tiny", "d", "cpu", "fp32", cache=EmbeddingCache(tmp_path))
    ours.embed([Target("a", "sha", "g", image, (BOX,))])
    sam.image_encoder.register_forward_hook(lambda *_: calls.append(1))
    ours.embed([Target("b", "sha", "g", image, (Prompt(1, None, ((3.0, 4.0, True),)),))])
    assert not calls
