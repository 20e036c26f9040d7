"""sarseg beside other tools that map GeoTIFFs tile by tile: time, memory, seams.

    python -m benchmarks.peer [--side 4352] [--repeats 3] [--peer-env build/peer]

Peers: geo-inference (https://github.com/NRCan/geo-inference) and geoai
(https://github.com/opengeos/geoai), in an environment of their own that is made by the first run
(about 2 GB, most of it torch in the version that sarseg uses here; where that is a CPU build, pip
has to know its index, for instance by PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu).
They are installed without their declared dependencies and then with those that they import for
this: nothing is replaced, and torchvision is not among them.

All are given one file of two float32 bands in decibels and one TorchScript network, which scales
its input itself; tiles and overlap are the same. Tiles of 512 that overlap by a half or a quarter
fit 4352 pixels exactly, so that no peer has a last tile that overlaps more; those of sarseg begin
at multiples of their stride from the origin of the CRS, and are one more in each direction. Peers
are called with the best of their settings that was found: see ``by_geo_inference`` and
``by_geoai``. Each run is a process of its own, which first maps a small scene that does not count.
"seconds" is the call that maps the scene, file to file, without the start of Python, "CPU s" what
it keeps the cores busy for; "peak" the most resident memory of the whole process. For sarseg,
preparation (decibels to intensity and back, clipping, validity) and finding the batch size are
within all three.

"Seam error" is the share of pixels within 8 pixels of a tile's edge, of any of the tools, whose
class is not that of a prediction of the scene in one piece by the same network; "error" is the
same of all pixels. Pixels that the scene's border reaches through the network are left out: there
a prediction in one piece has a border effect itself.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.measuring import GIGABYTE, device_name

if TYPE_CHECKING:  # the peers' environment has no sarseg
    from sarseg.model.card import ModelCard
    from sarseg.prediction.blend import BlendWindow

PEERS = {"geo-inference": "3.2.4", "geoai-py": "0.40.1"}
IMPORTED = {
    "geo-inference": (
        *("colorlog", "dask[array]", "geopandas", "hydra-core", "nvidia-ml-py", "omegaconf"),
        *("pystac", "requests", "rioxarray", "rtree", "scipy", "setuptools", "ttach"),
    ),
    "geoai-py": ("geopandas", "leafmap", "matplotlib", "rioxarray", "tqdm"),
}
"""What the peers import on the way to the function that is called."""

TILE = 512
NUM_CLASSES = 5
NEAR = 8
"""Pixels from a tile's edge that count as a seam."""

Classes = NDArray[np.uint8]


class StandIn(nn.Module):
    """Decibels (B, 2, H, W) to logits (B, 5, H, W): a small network with what makes seams.

    Zero padding and a reach of ``REACH`` pixels, half of what tiles of 512 have in common where
    they overlap by half. It has no strides: its answer does not depend on where a tile begins, but
    for the tile's borders, so that what differs from a prediction in one piece is seams and nothing
    else. Weights are random, of a fixed seed.
    """

    DILATIONS = (1, 2, 4, 8, 16, 32, 64)
    REACH = 1 + sum(DILATIONS)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 8, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv2d(8, 8, 3, padding=step, dilation=step) for step in self.DILATIONS
        )
        self.head = nn.Conv2d(8, NUM_CLASSES, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, decibels: Tensor) -> Tensor:
        features = self.first((decibels + 11.0) / 4.0)
        for layer in self.layers:
            features = features + F.relu(layer(features))
        logits: Tensor = self.head(features)
        return logits

    @torch.inference_mode()
    def balance(self, decibels: Tensor) -> None:
        """Make each class's logits of mean 0 and deviation 2 over ``decibels``, so that the map
        has all classes."""
        logits = self(decibels)
        mean, deviation = logits.mean((0, 2, 3)), logits.std((0, 2, 3))
        self.head.bias.sub_(mean).mul_(2 / deviation)  # type: ignore[union-attr]
        self.head.weight.mul_(2 / deviation[:, None, None, None])


def load(network: Path) -> nn.Module:
    """The TorchScript network."""
    module: nn.Module = torch.jit.load(network)  # type: ignore[no-untyped-call]
    return module


def stand_in_card() -> "ModelCard":
    """What sarseg has to know of the network: decibels as they are, not filtered."""
    from sarseg.classes import LandCoverClass
    from sarseg.filters.preparation import Preparation
    from sarseg.filters.statistics import BandScaling
    from sarseg.model.bands import CO_AND_CROSS_POL
    from sarseg.model.card import ModelCard

    as_it_is = BandScaling(centre=0.0, spread=1.0)
    return ModelCard(
        backbone="none",
        backbone_sha256="",
        method="none",
        classes=tuple(
            LandCoverClass(id=number, name=f"class {number}", colour=(number, 0, 0))
            for number in range(NUM_CLASSES)
        ),
        inputs=CO_AND_CROSS_POL,
        preparation=Preparation(despeckle=None, scaling=(as_it_is, as_it_is), clip=1000.0),
        tile_size=TILE,
    )


def by_sarseg(
    scene: Path, network: Path, target: Path, overlap: int, window: "BlendWindow"
) -> None:
    """``predict_scene`` in float32, as its peers."""
    from sarseg.model.file import LoadedModel
    from sarseg.prediction.predictor import predict_scene
    from sarseg.prediction.settings import PredictSettings
    from sarseg.scenes.reader import Scene
    from sarseg.scenes.reading import Reading

    model = LoadedModel(load(network).eval(), stand_in_card(), sha256="0" * 64)  # type: ignore[arg-type]
    settings = PredictSettings(overlap=overlap, window=window, precision="float32")
    with Scene.open([scene], Reading(bands=("VV", "VH"), unit="db")) as opened:
        predict_scene(opened, model, target, settings, overwrite=True)


def by_geo_inference(scene: Path, network: Path, target: Path, overlap: int, workers: int) -> None:
    """Its own Hann window over half the tile, which is the only overlap that it has."""
    from geo_inference.geo_inference import (  # type: ignore[import-not-found]
        GeoInference,
    )

    if overlap != TILE // 2:
        raise ValueError("geo-inference overlaps by half a tile")
    infer = GeoInference(
        model=str(network), work_dir=str(target.parent), device="cpu", num_classes=NUM_CLASSES
    )
    infer(str(scene), patch_size=TILE, workers=workers)
    (written,) = target.parent.glob(f"{scene.stem}_mask_*.tif")
    written.replace(target)


def by_geoai(scene: Path, network: Path, target: Path, overlap: int, blend_mode: str) -> None:
    """``predict_geotiff``, its function for large rasters, one tile at a time: 1.9 times as fast
    here as the four that are its default."""
    from geoai.inference import predict_geotiff  # type: ignore[import-not-found]

    predict_geotiff(
        load(network),
        str(scene),
        str(target),
        tile_size=TILE,
        overlap=overlap,
        batch_size=1,
        num_classes=NUM_CLASSES,
        output_dtype="uint8",
        output_nodata=255,
        blend_mode=blend_mode,
        preprocess_fn=lambda tile: tile,
        postprocess_fn=lambda logits: logits.argmax(axis=0),
        device="cpu",
        verbose=False,
    )


TOOLS: dict[str, Callable[..., None]] = {
    "sarseg": by_sarseg,
    "geo-inference": by_geo_inference,
    "geoai-py": by_geoai,
}

CANDIDATES: tuple[tuple[str, str, int, dict[str, Any]], ...] = (
    ("sarseg, gaussian (its default)", "sarseg", TILE // 2, {"window": "gaussian"}),
    ("sarseg, hann", "sarseg", TILE // 2, {"window": "hann"}),
    ("geo-inference, 1 worker (its default here)", "geo-inference", TILE // 2, {"workers": 1}),
    ("geo-inference, 2 workers", "geo-inference", TILE // 2, {"workers": 2}),
    ("geoai, spline (its default)", "geoai-py", TILE // 2, {"blend_mode": "spline"}),
    ("geoai, cosine", "geoai-py", TILE // 2, {"blend_mode": "cosine"}),
    ("sarseg, gaussian (its default)", "sarseg", TILE // 4, {"window": "gaussian"}),
    ("sarseg, hann", "sarseg", TILE // 4, {"window": "hann"}),
    ("geoai, spline (its default)", "geoai-py", TILE // 4, {"blend_mode": "spline"}),
    ("geoai, cosine", "geoai-py", TILE // 4, {"blend_mode": "cosine"}),
)
"""Name to show, tool, overlap and settings; the first of each overlap is what the others are
compared with."""


def peer_python(folder: Path) -> Path:
    """The interpreter of the peers' environment, which is made where there is none.

    torch, numpy and rasterio have the versions that sarseg uses here.
    """
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet"]
    same = [f"{name}=={metadata.version(name)}" for name in ("torch", "numpy", "rasterio")]
    imported = sorted({name for names in IMPORTED.values() for name in names})
    peers = [f"{name}=={version}" for name, version in PEERS.items()]
    subprocess.run([*install, *same, *imported], check=True)
    subprocess.run([*install, "--no-deps", *peers], check=True)
    (folder / "complete").touch()
    return python


def write_inputs(side: int, folder: Path) -> tuple[Path, Path, Path]:
    """A simulated scene (2, side, side) in decibels, its first 1024 pixels, and the network."""
    from sarseg.datasets.synthetic.scene import simulate

    bands = simulate(1, side, side, border=False).bands
    decibels = 10 * np.log10(np.stack([bands["VV"], bands["VH"]]))
    scene, small, network = folder / "scene.tif", folder / "small.tif", folder / "network.pt"
    for path, part in (scene, decibels), (small, decibels[:, :1024, :1024]):
        with rasterio.open(
            path,
            "w",
            "GTiff",
            width=part.shape[2],
            height=part.shape[1],
            count=2,
            dtype="float32",
            crs="EPSG:32631",
            transform=rasterio.Affine(3, 0, 409000, 0, -3, 5609000),
            tiled=True,
            blockxsize=256,
            blockysize=256,
        ) as dataset:
            dataset.write(part)
    torch.manual_seed(0)
    stand_in = StandIn().eval()
    stand_in.balance(torch.from_numpy(decibels[None, :, :1024, :1024]))
    torch.jit.script(stand_in).save(network)  # type: ignore[no-untyped-call]
    return scene, small, network


@torch.inference_mode()
def in_one_piece(scene: Path, network: Path) -> Classes:
    """The classes (H, W) of the whole scene at once."""
    with rasterio.open(scene) as dataset:
        decibels = torch.from_numpy(dataset.read())
    classes: Classes = load(network)(decibels[None])[0].argmax(0).byte().numpy()
    return classes


def near_edges(scene: Path, side: int, overlap: int) -> NDArray[np.bool_]:
    """Where (side, side) a tile of any of the tools has an edge nearby."""
    from sarseg.prediction.settings import PredictSettings
    from sarseg.prediction.tile_reading import checked_grid
    from sarseg.scenes.reader import Scene
    from sarseg.scenes.reading import Reading

    with Scene.open([scene], Reading(bands=("VV", "VH"), unit="db")) as opened:
        ours = list(checked_grid(opened, stand_in_card(), PredictSettings(overlap=overlap), None))
    theirs = {min(start, side - TILE) for start in range(0, side, TILE - overlap)}
    rows = _near(side, theirs | {tile.row for tile in ours})
    cols = _near(side, theirs | {tile.col for tile in ours})
    return rows[:, None] | cols[None, :]


def _near(side: int, starts: set[int]) -> NDArray[np.bool_]:
    near = np.zeros(side, bool)
    for edge in starts | {start + TILE for start in starts}:
        near[max(edge - NEAR, 0) : max(edge + NEAR, 0)] = True
    return near


def disagreement(target: Path, whole: Classes, where: NDArray[np.bool_]) -> float:
    """The share of the pixels ``where`` whose class is another than in ``whole``; pixels that the
    scene's border reaches do not count."""
    with rasterio.open(target) as dataset:
        classes = dataset.read(1)
    inner = slice(StandIn.REACH, -StandIn.REACH)
    differs = classes[inner, inner] != whole[inner, inner]
    return float(differs[where[inner, inner]].mean())


def perform(task: dict[str, Any]) -> dict[str, float]:
    """Map the small scene, then the large one: seconds and CPU seconds of the latter, peak memory
    in bytes."""
    tool, settings = TOOLS[task["tool"]], task["settings"]
    scene, small, network = (Path(task[name]) for name in ("scene", "small", "network"))
    target, overlap = Path(task["target"]), task["overlap"]
    tool(small, network, target, overlap, **settings)
    started, busy = time.perf_counter(), time.process_time()
    tool(scene, network, target, overlap, **settings)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return {"seconds": seconds, "busy": busy, "peak": peak}


def in_own_process(python: Path | str, task: dict[str, Any]) -> dict[str, float]:
    """What ``perform`` answers, by ``python``; whatever it prints is shown if it fails."""
    command = [python, "-m", "benchmarks.peer", "--task", json.dumps(task)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise SystemExit(f"{task['tool']} failed:\n{ran.stderr[-3000:]}")
    answer: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return answer


def compare(side: int, repeats: int, python: Path, folder: Path) -> None:
    """Measure all candidates in turns and print the table."""
    scene, small, network = write_inputs(side, folder)
    inputs = {"scene": str(scene), "small": str(small), "network": str(network)}
    whole = in_one_piece(scene, network)
    runs: list[list[dict[str, float]]] = [[] for _ in CANDIDATES]
    for _ in range(repeats):
        for number, (_, tool, overlap, settings) in enumerate(CANDIDATES):
            target = str(folder / f"{number}.tif")
            task = {"tool": tool, "overlap": overlap, "settings": settings, "target": target}
            runs[number].append(
                in_own_process(sys.executable if tool == "sarseg" else python, task | inputs)
            )
    print(f"classes: {', '.join(f'{share:.0%}' for share in np.bincount(whole.ravel()) / side**2)}")
    print(
        "| overlap | tool | seconds | / sarseg | CPU s | / sarseg | peak GB | / sarseg "
        f"| seam error | / sarseg | error | / sarseg |\n{'|---' * 12}|"
    )
    ours: list[float] = []
    for number, (name, _, overlap, _) in enumerate(CANDIDATES):
        mapped = folder / f"{number}.tif"
        near = near_edges(scene, side, overlap)
        values = [
            statistics.median(run["seconds"] for run in runs[number]),
            statistics.median(run["busy"] for run in runs[number]),
            max(run["peak"] for run in runs[number]) / GIGABYTE,
            100 * disagreement(mapped, whole, near),
            100 * disagreement(mapped, whole, np.ones_like(near)),
        ]
        if number == 0 or overlap != CANDIDATES[number - 1][2]:
            ours = values
        cells = [
            f"{value:.{digits}f}{unit} | {value / own:.2f}"
            for value, own, digits, unit in zip(
                values, ours, (1, 1, 2, 3, 3), ("", "", "", " %", " %"), strict=True
            )
        ]
        print(f"| {overlap} | {name} | {' | '.join(cells)} |")


def main() -> None:
    """Parse the options and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4352)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-env", type=Path, default=Path("build/peer"))
    parser.add_argument("--task", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(perform(json.loads(given.task))))
        return
    python = peer_python(given.peer_env)
    versions = ", ".join(f"{name} {version}" for name, version in PEERS.items())
    print(f"{given.side} x {given.side}, tiles of {TILE}; {versions}. {device_name('cpu')}")
    with tempfile.TemporaryDirectory() as folder:
        compare(given.side, given.repeats, python, Path(folder))


if __name__ == "__main__":
    main()
