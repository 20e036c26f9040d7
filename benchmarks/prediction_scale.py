"""How memory and time of ``predict`` grow: ``python -m benchmarks.prediction_scale``.

Scenes of two bands are virtual rasters that repeat one block, valid everywhere. The network is a
stand-in of the same interface, one multiplication a pixel, so that all else decides; ``--network
vit_t`` takes the shipped model. Each run is a process of its own; memory is the process's highest.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import torch
from rasterio.transform import Affine
from torch import Tensor, nn

from benchmarks.measuring import GIGABYTE, device_name, in_own_process
from sarseg.model.file import load_model
from sarseg.model.memory import peak_memory
from sarseg.prediction.predictor import predict_scene
from sarseg.prediction.settings import PredictSettings
from sarseg.scenes.reader import Scene

BLOCK = 2000


class Pointwise(nn.Module):
    """Logits of each pixel by itself, one class from dark to bright after the other."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.levels = torch.linspace(-2, 2, num_classes).view(1, -1, 1, 1)

    def forward(self, bands: Tensor) -> Tensor:
        return -((bands.mean(dim=1, keepdim=True) - self.levels) ** 2)


def write_block(folder: Path) -> Path:
    """A scene of ``BLOCK`` squared pixels: intensity in VV and VH with speckle of four looks."""
    rng = np.random.default_rng(0)
    ground = np.kron(rng.choice([0.01, 0.05, 0.1, 0.3], (BLOCK // 50,) * 2), np.ones((50, 50)))
    path = folder / "block.tif"
    profile = {
        "driver": "GTiff",
        "height": BLOCK,
        "width": BLOCK,
        "count": 2,
        "dtype": "float32",
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "nodata": -9999.0,
        "interleave": "band",
        "crs": "EPSG:32631",
        "transform": Affine(10, 0, 500_000, 0, -10, 5_700_000),
    }
    with rasterio.open(path, "w", **profile) as dataset:
        for band, factor in enumerate((1.0, 0.2), start=1):
            speckle = rng.gamma(4, 0.25, ground.shape)
            dataset.write((factor * ground * speckle).astype(np.float32), band)
            dataset.set_band_description(band, "VV" if band == 1 else "VH")
    return path


def write_mosaic(block: Path, side: int) -> Path:
    """A virtual raster of ``side`` squared pixels that repeats the block."""
    bands = []
    for band, name in enumerate(("VV", "VH"), start=1):
        sources = []
        for row in range(0, side, BLOCK):
            for col in range(0, side, BLOCK):
                height, width = min(BLOCK, side - row), min(BLOCK, side - col)
                sources.append(
                    f'<SimpleSource><SourceFilename relativeToVRT="1">{escape(block.name)}'
                    f"</SourceFilename><SourceBand>{band}</SourceBand>"
                    f'<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/>'
                    f'<DstRect xOff="{col}" yOff="{row}" xSize="{width}" ySize="{height}"/>'
                    "</SimpleSource>"
                )
        bands.append(
            f'<VRTRasterBand dataType="Float32" band="{band}"><Description>{name}</Description>'
            f"<NoDataValue>-9999</NoDataValue>{''.join(sources)}</VRTRasterBand>"
        )
    path = block.with_name(f"scene_{side}.vrt")
    path.write_text(
        f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}"><SRS>EPSG:32631</SRS>'
        f"<GeoTransform>500000, 10, 0, 5700000, 0, -10</GeoTransform>{''.join(bands)}</VRTDataset>"
    )
    return path


def run_task(task: dict[str, Any]) -> dict[str, Any]:
    """Predict one scene: its seconds and the most memory."""
    folder = Path(task["folder"])
    scene_file = write_mosaic(folder / "block.tif", task["side"])
    model = load_model()
    if task["network"] == "stand-in":
        pointwise = Pointwise(len(model.card.classes)).eval()
        model = replace(model, segmenter=pointwise)  # type: ignore[arg-type]
    settings = PredictSettings(confidence=True, batch_size=task["batch_size"])
    output = folder / f"map_{task['side']}.tif"
    began = time.perf_counter()
    with Scene.open([scene_file]) as scene:
        summary = predict_scene(scene, model, output, settings, overwrite=True)
    seconds = time.perf_counter() - began
    output.unlink()
    peak = peak_memory(torch.device("cpu"))
    return {"seconds": seconds, "peak": peak, "tiles": summary.tiles}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task")
    parser.add_argument("--sides", type=int, nargs="+", default=[8_000, 40_000])
    parser.add_argument("--network", choices=["stand-in", "vit_t"], default="stand-in")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="where scenes and maps are written meanwhile")
    options = parser.parse_args()
    if options.task:
        print(json.dumps(run_task(json.loads(options.task))))
        return
    print(f"{device_name('cpu')}; {options.network}, batches of {options.batch_size}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write_block(Path(folder))
        first: dict[str, Any] | None = None
        for side in options.sides:
            task = {"folder": folder, "side": side, "network": options.network}
            found = in_own_process(
                "benchmarks.prediction_scale", {**task, "batch_size": options.batch_size}
            )
            if "error" in found:
                sys.exit(f"{side}: {found['error']}")
            per_area = found["seconds"] / side**2
            line = (
                f"{side:6d} x {side:6d}: {found['tiles']:6d} tiles, {found['seconds']:8.1f} s, "
                f"{per_area * 1e6:.3f} s per Mpixel, peak {found['peak'] / GIGABYTE:.2f} GB"
            )
            if first is not None:
                line += (
                    f"; memory {found['peak'] / first['peak']:.2f} times, "
                    f"time per pixel {per_area / first['per_area']:.2f} times the first's"
                )
            print(line, flush=True)
            first = first or {**found, "per_area": per_area}


if __name__ == "__main__":
    main()
