"""Where a model runs."""

import platform
from pathlib import Path

import pytest
import torch

from sarseg.errors import UsageError
from sarseg.model.device import choose_device, computes_bfloat16, described


def test_devices() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageError, match="auto, cpu or cuda"):
        choose_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="No CUDA device"):
            choose_device("cuda")


def linux_flags() -> set[str]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    flags = [set(line.split()) for line in lines if line.startswith("flags")]
    if not flags:
        pytest.skip("the system does not list what its processor can do")
    return flags[0]


@pytest.mark.skipif(not hasattr(torch.cpu, "get_capabilities"), reason="torch does not tell")
def test_processors_compute_bfloat16_where_linux_says_so() -> None:
    can = bool(linux_flags() & {"avx512_bf16", "amx_bf16"})
    assert computes_bfloat16("cpu") == can


def test_an_older_torch_does_not_know_of_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not computes_bfloat16("cpu")
    assert platform.machine() in described("cpu", "float32")


def test_what_was_chosen_is_said_in_a_sentence() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        sentence = described("cpu", "float32")
        torch.set_num_threads(2)
        assert "2 threads" in described("cpu", "float32")
    finally:
        torch.set_num_threads(before)
    assert sentence.startswith("Running on the CPU (")
    assert sentence.endswith(", 1 thread) in float32.")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_is_named() -> None:
    assert torch.cuda.get_device_name() in described("cuda", "bfloat16")
    assert computes_bfloat16("cuda") == torch.cuda.is_bf16_supported(including_emulation=False)
