"""sarseg's image encoder beside segment_anything's: time, memory, exactness, share of the peak.

Both run in this one call on the same random weights, each in a process of its own. Needs torch,
numpy and segment-anything alone; --map needs all of sarseg.

    python -m benchmarks.encoder_speed [--backbone vit_b] [--size 1024] [--device cuda] [--map]
"""

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

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
from sarseg.sam.architecture import SamArchitecture, architecture
from sarseg.sam.encoder import ImageEncoder
from sarseg.sam.package import image_encoder

DTYPES = {"cpu": ("float32", "bfloat16"), "cuda": ("float32", "float16", "bfloat16")}
BATCHES = {"cpu": (1,), "cuda": (1, 4, 8, 16)}
GOALS = {
    "cpu": "float32 1.5 x stock within 1e-5; with AMX, bfloat16 4.5 x stock in a third of its "
    "memory; the same class in 99.5 % of the pixels",
    "cuda": "2.5 x stock at equal precision; bfloat16 with batches 10 x stock float32",
}


def encoder(kind: str, sizes: SamArchitecture) -> nn.Module:
    """The encoder of segment_anything (``stock``) or of sarseg; the same weights for both."""
    built: nn.Module = ImageEncoder(sizes)
    if kind == "stock":
        built = image_encoder.ImageEncoderViT(
            img_size=sizes.image_size,
            patch_size=sizes.patch_size,
            embed_dim=sizes.embed_dim,
            depth=sizes.depth,
            num_heads=sizes.num_heads,
            out_chans=sizes.out_chans,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=sizes.window_size,
            global_attn_indexes=sizes.global_attn_indexes,
        )
    generator = torch.Generator().manual_seed(0)
    for name, weight in sorted(built.named_parameters()):
        weight.requires_grad_(False)
        is_gain = weight.ndim == 1 and name.endswith("weight")
        weight.normal_(float(is_gain), _spread(name, weight), generator=generator)
    return built.eval()


def _spread(name: str, weight: Tensor) -> float:
    """Standard deviation of a weight; scores of attention and their bias spread by about 2."""
    if weight.ndim == 1:
        return 0.1
    if "rel_pos" in name:
        return 0.18
    if "pos_embed" in name:
        return 0.5
    return (1.4 if "qkv" in name else 1.0) / math.sqrt(weight[0].numel())


def operations(sizes: SamArchitecture, side: int) -> float:
    """Floating-point operations of the encoder for one image of ``side`` pixels: products alone."""
    dim, window = sizes.embed_dim, sizes.window_size
    grid = side // sizes.patch_size
    tokens = grid**2
    windows = (-(-grid // window)) ** 2

    def attention(maps: int, map_side: int) -> int:
        each = map_side**2
        projections = 2 * each * 4 * dim**2
        products = 2 * each * dim * (2 * each + 2 * map_side)  # scores, mix, and the two biases
        return maps * (projections + products)

    whole = len(sizes.global_attn_indexes)
    return (
        2 * tokens * 3 * sizes.patch_size**2 * dim
        + whole * attention(1, grid)
        + (sizes.depth - whole) * attention(windows, window)
        + sizes.depth * 2 * tokens * 8 * dim**2
        + 2 * tokens * sizes.out_chans * (dim + 9 * sizes.out_chans)
    )


@torch.inference_mode()
def peak_rate(device: str, dtype: str) -> float:
    """Operations a second of a large product: the faster of a matmul and a 1 x 1 convolution."""
    side = 4096 if device == "cpu" else 8192
    left, right = torch.randn(2, side, side, device=device, dtype=getattr(torch, dtype))
    pixels = left.view(1, 64, -1, side).permute(0, 3, 1, 2)
    products = [lambda: left @ right, lambda: functional.conv2d(pixels, right[:, :, None, None])]
    return 2 * side**3 / min(median_seconds(run, device, 5) for run in products)


def autocast(device: str, dtype: str) -> AbstractContextManager[object]:
    """Mixed precision as a user gets it; nothing for float32."""
    return nullcontext() if dtype == "float32" else torch.autocast(device, getattr(torch, dtype))


@torch.inference_mode()
def measure(
    kind: str, backbone: str, side: int, device: str, dtype: str, batch: int, repeats: int, out: str
) -> None:
    """Print what one encoder takes, as JSON, and save the first image's embedding to ``out``."""
    model = encoder(kind, architecture(backbone)).to(device)
    images = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(1))
    first = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(2))
    images = torch.cat([first, images[1:]]).to(device)
    with autocast(device, dtype):
        peak = peak_bytes(lambda: model(images), device)
        seconds = median_seconds(lambda: model(images), device, repeats)
        torch.save(model(images)[0].double().cpu(), out)
    print(json.dumps({"seconds": seconds / batch, "peak": peak}))


def rows(backbone: str, side: int, device: str, repeats: int) -> Iterator[dict[str, Any]]:
    """What was found for each encoder, precision and batch; the first is stock in float32."""
    with tempfile.TemporaryDirectory() as folder:
        expected: Tensor | None = None
        for dtype in DTYPES[device]:
            for batch in BATCHES[device]:
                for kind in ("stock", "sarseg"):
                    out = Path(folder) / "embedding"
                    task = {"kind": kind, "backbone": backbone, "side": side, "device": device}
                    task |= {"dtype": dtype, "batch": batch, "repeats": repeats, "out": str(out)}
                    found = in_own_process("benchmarks.encoder_speed", task)
                    if "error" not in found:
                        answer = torch.load(out)
                        expected = answer if expected is None else expected
                        found["difference"] = _relative(answer, expected)
                        found["norms"] = (answer.norm() / expected.norm()).item()
                    yield {"kind": kind, "dtype": dtype, "batch": batch} | found


def _relative(answer: Tensor, expected: Tensor) -> float:
    return ((answer - expected).abs().max() / expected.abs().max()).item()


def print_speed(backbone: str, side: int, device: str, repeats: int) -> None:
    """The table of both encoders."""
    count = operations(architecture(backbone), side)
    peaks = {dtype: peak_rate(device, dtype) for dtype in DTYPES[device]}
    print(f"{backbone}, {side} x {side} pixels, {count / 1e12:.3f} Tflop an image")
    print(
        "measured peak: "
        + ", ".join(f"{dtype} {rate / 1e12:.3f} Tflop/s" for dtype, rate in peaks.items())
    )
    print(
        f"{'encoder':<9}{'precision':<10}{'batch':>6}{'s/image':>10}{'peak GB':>9}{'x stock':>9}"
        f"{'x float32':>11}{'of peak':>9}{'difference':>12}{'norms':>10}"
    )
    first: float | None = None
    stock: float | None = None
    for row in rows(backbone, side, device, repeats):
        label = f"{row['kind']:<9}{row['dtype']:<10}{row['batch']:>6}"
        if "error" in row:
            print(label, row["error"])
            stock = None if row["kind"] == "stock" else stock
            continue
        seconds = row["seconds"]
        first = seconds if first is None else first
        stock = seconds if row["kind"] == "stock" else stock
        equal = f"{stock / seconds:9.2f}" if stock else f"{'':9}"
        print(
            f"{label}{seconds:10.4f}{row['peak'] / GIGABYTE:9.2f}{equal}{first / seconds:11.2f}"
            f"{count / seconds / peaks[row['dtype']]:9.0%}{row['difference']:12.1e}"
            f"{row['norms']:10.6f}",
            flush=True,
        )
    print("difference: largest, of the first line's embedding, over its largest value")


def print_agreement(scene_path: Path, device: str) -> None:
    """Share of pixels to which the embedded model gives the same class in bfloat16."""
    import numpy as np
    import rasterio

    from sarseg.model.file import load_model
    from sarseg.prediction.forward import Precision
    from sarseg.prediction.predictor import predict_scene
    from sarseg.prediction.settings import PredictSettings
    from sarseg.scenes.reader import Scene

    maps = []
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    for precision in precisions:
        with tempfile.TemporaryDirectory() as folder, Scene.open([scene_path]) as scene:
            output = Path(folder) / "map.tif"
            settings = PredictSettings(batch_size=4, precision=precision)
            predict_scene(scene, load_model(device=device), output, settings)
            with rasterio.open(output) as opened:
                maps.append(opened.read(1))
    same = float(np.mean(maps[0] == maps[1]))
    print(f"same class in bfloat16 as in float32: {same:.3%} of {maps[0].size} pixels")


def main() -> None:
    """Print the table, and the goals beside."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="vit_b")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--map", action="store_true", help="compare class maps as well")
    parser.add_argument("--scene", type=Path, default=Path("sample_data/heldout.tif"))
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        measure(**options.task)
        return
    print(device_name(options.device))
    print_speed(options.backbone, options.size, options.device, options.repeats)
    if options.map:
        print_agreement(options.scene, options.device)
    print(f"goals: {GOALS[options.device]}")


if __name__ == "__main__":
    main()
