"""A home of its own, a web server that can be told to fail, and small Sams in place of the published ones."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

from medweave.labeling.weights import Published


@dataclass
class Site:
    """One file that a web server gives.

    It breaks connections at the byte `cut_at`, leaves out the last `short` bytes of every range, and notes in `starts`
    where the ranges that it was asked for begin.
    """

    content: bytes = b""
    url: str = ""
    version: str = "1"
    cut_at: int | None = None
    knows_ranges: bool = True
    short: int = 0
    status: int = 200
    starts: list[int] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_HEAD(self):
        self.answer(len(self.site.content), self.site.status)

    def do_GET(self):
        wanted = self.headers.get("Range")
        start, end = 0, len(self.site.content)
        if wanted and self.site.knows_ranges:
            first, last = wanted.removeprefix("bytes=").split("-")
            start, end = int(first), int(last) + 1
        self.site.starts.append(start)
        body = self.site.content[start : end - self.site.short]
        self.answer(len(body), 206 if wanted and self.site.status == 200 else self.site.status)
        cut_at = self.site.cut_at
        if cut_at is not None and end > cut_at:
            self.wfile.write(body[: max(0, cut_at - start)])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def answer(self, length, status):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{self.site.version}"')
        self.send_header("X-Repo-Commit", "c" * 40)  # as the model hub does
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": site}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/weights/model.pth"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "home"))


def small_sam(width):
    encoder = ImageEncoderViT(
        img_size=32, patch_size=16, embed_dim=width, depth=1, num_heads=2, out_chans=16, qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=0, global_attn_indexes=(0,),
    )  # fmt: skip
    prompts = PromptEncoder(embed_dim=16, image_embedding_size=(2, 2), input_image_size=(32, 32), mask_in_chans=4)
    transformer = TwoWayTransformer(depth=1, embedding_dim=16, mlp_dim=16, num_heads=2)
    return Sam(encoder, prompts, MaskDecoder(transformer_dim=16, transformer=transformer, iou_head_hidden_dim=8))


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    small = {"vit_b": partial(small_sam, 16), "vit_l": partial(small_sam, 32)}
    monkeypatch.setattr("segment_anything.sam_model_registry", {"default": small["vit_l"], **small})
    return small


@pytest.fixture
def state(registry):
    torch.manual_seed(0)
    return registry["vit_b"]().state_dict()


@pytest.fixture
def checkpoint(state, tmp_path):
    path = tmp_path / "brought" / "model.pth"
    path.parent.mkdir()
    torch.save(state, path)
    return path


@pytest.fixture
def catalogue(checkpoint, site):
    """The checkpoint under two names: with an address and checksum, and with neither."""
    site.content = checkpoint.read_bytes()
    digest = hashlib.md5(site.content).hexdigest()
    entries = [
        Published("sam_vit_b", "small", "sam", "vit_b", "model.pth", "http://page", site.url, 5, f"md5:{digest}"),
        Published("medsam_vit_b", "by hand", "medsam", "vit_b", "other.pth", "http://page"),
    ]
    return {entry.name: entry for entry in entries}
