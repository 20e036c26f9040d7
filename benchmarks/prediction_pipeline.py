"""What ``predict`` takes beside the network: ``python -m benchmarks.prediction_pipeline``.

The same tiles in the same batches, once by the network alone, prepared beforehand, and once from
scene to finished map, which reads, prepares, blends, compresses and writes beside. Rounds alternate
in one process; the table has the medians.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.measuring import device_name
from benchmarks.prediction_scale import write_block, write_mosaic
from sarseg.model.device import choose_device
from sarseg.model.file import LoadedModel, load_model, segmenter_of
from sarseg.prediction.forward import Forward, Precision
from sarseg.prediction.predictor import predict_scene
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tile_reading import checked_grid, tile_reader
from sarseg.scenes.reader import Scene

TILE = {"vit_t": 448, "vit_b": 1024}


def model_on(backbone: str, device: str) -> LoadedModel:
    """The shipped model, or CWSAM on ``backbone`` with weights drawn at random."""
    shipped = load_model(device=device)
    if backbone == "vit_t":
        return shipped
    card = shipped.card.model_copy(update={"backbone": backbone, "tile_size": TILE[backbone]})
    torch.manual_seed(0)
    segmenter = segmenter_of(card)
    return replace(shipped, segmenter=segmenter.eval().to(device), card=card)


def network_seconds(scene: Scene, forward: Forward, settings: PredictSettings) -> float:
    """Time of the network alone for the tiles of ``scene``, in batches as they are predicted."""
    card, size = forward.model.card, settings.batch_size or 1
    spent = 0.0
    with tile_reader(scene, card, settings, None, forward.model.device) as read:
        windows = list(checked_grid(scene, card, settings, None))
        for first in range(0, len(windows), size):
            bands = np.stack([read(window).bands for window in windows[first : first + size]])
            began = time.perf_counter()
            forward.probabilities(bands)
            spent += time.perf_counter() - began
    return spent


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbones", nargs="+", choices=list(TILE), default=list(TILE))
    parser.add_argument("--side", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    print(f"{device_name(device)}; {options.side} x {options.side} pixels, two bands")
    print("backbone  precision  batch  tiles  network  predict  ratio")
    with tempfile.TemporaryDirectory() as folder:
        scene_file = write_mosaic(write_block(Path(folder)), options.side)
        for backbone in options.backbones:
            model = model_on(backbone, device)
            batch = 4 if backbone == "vit_t" or device == "cuda" else 1
            for precision in ("float32", "bfloat16"):
                print_row(Path(folder), scene_file, model, precision, batch, options.rounds)


def print_row(
    folder: Path,
    scene_file: Path,
    model: LoadedModel,
    precision: Precision,
    batch: int,
    rounds: int,
) -> None:
    """Measure and print one line of the table."""
    settings = PredictSettings(batch_size=batch, precision=precision, confidence=True)
    forward = Forward(model, precision)
    alone, whole, tiles = [], [], 0
    for _ in range(rounds):
        with Scene.open([scene_file]) as scene:
            alone.append(network_seconds(scene, forward, settings))
        began = time.perf_counter()
        with Scene.open([scene_file]) as scene:
            output = folder / "map.tif"
            tiles = predict_scene(scene, model, output, settings, overwrite=True).tiles
        whole.append(time.perf_counter() - began)
    network, predict = statistics.median(alone), statistics.median(whole)
    print(
        f"{model.card.backbone:8s}  {precision:9s}  {batch:5d}  {tiles:5d}  {network:6.1f} s  "
        f"{predict:6.1f} s  {predict / network:5.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
