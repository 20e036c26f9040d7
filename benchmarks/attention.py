"""Ways to compute SAM's attention with relative positions: time, memory and exactness.

Each takes the place of the one in sarseg's layer, on the same weights, in a process of its own;
the first line is segment_anything's layer. Needs torch, numpy and segment-anything alone.

    python -m benchmarks.attention [--device cuda] [--repeats 5]
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.measuring import (
    GIGABYTE,
    device_name,
    in_own_process,
    median_seconds,
    peak_bytes,
)
from sarseg.sam import attention
from sarseg.sam.attention import FusedAttention, attend_folded, attend_in_blocks
from sarseg.sam.package import image_encoder

DIM, HEADS = 768, 12  # vit_b
MAPS = {"global": (1, 64), "windows": (25, 14)}  # maps and their side, for 1024 x 1024 pixels
DTYPES = {"cpu": ("float32", "bfloat16"), "cuda": ("float32", "float16", "bfloat16")}

Attend = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def bias_as_mask(bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """The bias of every query towards every key ``(G, H * W, H * W)``."""
    return (bias_h[..., :, None] + bias_w[..., None, :]).flatten(3).flatten(1, 2)


def masked(query: Tensor, key: Tensor, value: Tensor, bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """The fused kernel with the bias as an additive mask."""
    mask = bias_as_mask(bias_h, bias_w)[None]
    flat = query.flatten(1, 2)[None]
    mixed = functional.scaled_dot_product_attention(
        flat, key[None], value[None], attn_mask=mask, scale=1.0
    )
    return mixed[0].view_as(query)


def masked_rows(
    query: Tensor, key: Tensor, value: Tensor, bias_h: Tensor, bias_w: Tensor
) -> Tensor:
    """The same, with the mask of one row of queries at a time."""
    rows = [
        masked(q, key, value, b_h, b_w)
        for q, b_h, b_w in zip(
            *(torch.split(part, 1, dim=1) for part in (query, bias_h, bias_w)), strict=True
        )
    ]
    return torch.cat(rows, dim=1)


def matrix(query: Tensor, key: Tensor, value: Tensor, bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """Batched products around the whole matrix of scores, the bias added in place."""
    scores = query.flatten(1, 2) @ key.transpose(1, 2)
    placed = scores.view(*query.shape[:3], *query.shape[1:3])
    placed += bias_h[..., :, None]
    placed += bias_w[..., None, :]
    return (scores.softmax(dim=-1) @ value).view_as(query)


def flex(query: Tensor, key: Tensor, value: Tensor, bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """flex_attention, which compiles the bias into a fused kernel."""
    width = query.shape[2]
    rows, columns = bias_h.flatten(1, 2), bias_w.flatten(1, 2)

    def biased(score: Tensor, _: Tensor, group: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return score + rows[group, q, k // width] + columns[group, q, k % width]

    flat = query.flatten(1, 2)[None]
    mixed = compiled_flex()(flat, key[None], value[None], score_mod=biased, scale=1.0)
    return mixed[0].view_as(query)


@cache
def compiled_flex() -> Callable[..., Tensor]:
    """flex_attention, compiled once; it needs a C++ compiler on the CPU, triton on CUDA."""
    from torch.nn.attention.flex_attention import flex_attention

    compiled: Callable[..., Tensor] = torch.compile(flex_attention)
    return compiled


WAYS: dict[str, Attend | None] = {
    "segment_anything": None,
    "matrix": matrix,
    "mask": masked,
    "mask by rows": masked_rows,
    "folded": attend_folded,
    "blocks": attend_in_blocks,
    "flex": flex,
}


def layer_and_map(way: str, shape: str) -> tuple[nn.Module, Tensor]:
    """The layer that attends in ``way`` and the tokens of ``shape``; the same values for all."""
    maps, side = MAPS[shape]
    attend = WAYS[way]
    kind = FusedAttention if attend else image_encoder.Attention
    layer = kind(DIM, HEADS, use_rel_pos=True, input_size=(side, side)).requires_grad_(False)
    if attend:
        for ours in ("attend_in_blocks", "attend_folded"):
            setattr(attention, ours, attend)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in sorted(layer.named_parameters()):
        # Scores and their bias both spread by about 2: the softmax is neither flat nor one-hot.
        scale = 0.18 if "rel_pos" in name else 1.4 * DIM**-0.5
        parameter.normal_(std=scale, generator=generator)
    return layer, torch.randn(maps, side, side, DIM, generator=generator)


@torch.inference_mode()
def measure(way: str, shape: str, device: str, dtype: str, repeats: int, exact: str) -> None:
    """Print what one way takes, as JSON; ``exact`` is the file of the numbers in float64."""
    layer, x = layer_and_map(way, shape)
    layer, x = layer.to(device, getattr(torch, dtype)), x.to(device, getattr(torch, dtype))
    peak = peak_bytes(lambda: layer(x), device)
    seconds = median_seconds(lambda: layer(x), device, repeats)
    expected = torch.load(exact)
    difference = (layer(x).double().cpu() - expected).abs().max() / expected.abs().max()
    print(json.dumps({"seconds": seconds, "peak": peak, "difference": difference.item()}))


@torch.inference_mode()
def save_exact(shape: str, path: Path) -> None:
    """segment_anything's own numbers in float64."""
    layer, x = layer_and_map("segment_anything", shape)
    torch.save(layer.double()(x.double()), path)


def main() -> None:
    """Print one table a shape and dtype."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        measure(**options.task)
        return
    print(device_name(options.device))
    with tempfile.TemporaryDirectory() as folder:
        for shape, (maps, side) in MAPS.items():
            exact = Path(folder) / shape
            save_exact(shape, exact)
            for dtype in DTYPES[options.device]:
                print(f"\n{shape}: {maps} of {side} x {side} tokens, {HEADS} heads, {dtype}")
                print(f"{'way':<18}{'ms':>9}{'peak GB':>9}{'x stock':>9}{'difference':>12}")
                stock = None
                for way in WAYS:
                    task = {"way": way, "shape": shape, "device": options.device, "dtype": dtype}
                    task |= {"repeats": options.repeats, "exact": str(exact)}
                    found = in_own_process("benchmarks.attention", task)
                    if "error" in found:
                        print(f"{way:<18}{found['error']}")
                        continue
                    stock = stock or found["seconds"]
                    print(
                        f"{way:<18}{1e3 * found['seconds']:9.1f}{found['peak'] / GIGABYTE:9.2f}"
                        f"{stock / found['seconds']:9.2f}{found['difference']:12.1e}",
                        flush=True,
                    )
    print("\ndifference: largest, of segment_anything's float64 numbers, over their largest")


if __name__ == "__main__":
    main()
