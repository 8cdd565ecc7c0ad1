import platform
from pathlib import Path

import pytest
import torch

from medweave.compute import autocast, in_native_precision, in_precision, native_precision, precision
from medweave.config import Compute

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def computed():
    return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() != "x86_64", reason="reads the kernel's list of what the CPU can"
)
def test_a_cpu_computes_in_bfloat16_only_with_instructions_for_it():
    flags = set(Path("/proc/cpuinfo").read_text().split())
    assert native_precision("cpu") == ("bf16" if {"avx512_bf16", "amx_bf16"} & flags else "fp32")


@pytest.mark.parametrize(("able", "expected"), [("avx512_bf16", "bf16"), ("amx_bf16", "bf16"), ("avx512_f", "fp32")])
def test_auto_is_what_the_cpu_is_able_to(monkeypatch, able, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, able: True})
    assert precision(Compute(device="cpu")) == expected
    with autocast(Compute(device="cpu")):
        assert computed() == DTYPES[expected]
    with in_native_precision("cpu"):
        assert computed() == DTYPES[expected]


@pytest.mark.parametrize("given", ["bf16", "fp32"])
def test_a_precision_that_is_given_stays(given):
    assert precision(Compute(device="cpu", precision=given)) == given
    with in_precision(given, "cpu"):
        assert computed() == DTYPES[given]
