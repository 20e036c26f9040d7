"""Whether a map depends on where the scene begins: ``python -m benchmarks.shift``.

The shipped model maps the sample scene, and the same scene without its first rows and columns, no
multiple of the stride nor of the encoder's patches. Compared is what lies a tile or more from the
border. Parts with a transform have the same tiles as the whole; without one, nothing tells where
they were cut out, and tiles lie elsewhere.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from sarseg.classes import NODATA
from sarseg.model.file import LoadedModel, load_model
from sarseg.prediction.predictor import predict_scene
from sarseg.prediction.settings import PredictSettings
from sarseg.scenes.reader import Scene

SAMPLE = Path(__file__).parents[1] / "sample_data" / "scene.tif"
ROWS, COLS = 137, 101
OVERLAPS = (0, 56, 112, 224, 228, 336, 332)
MIRRORED = (112, 332)


def write_part(path: Path, row: int, col: int, *, placed: bool) -> Path:
    """The sample scene from ``row`` and ``col`` on, ``placed`` on the ground or not."""
    with rasterio.open(SAMPLE) as whole:
        window = Window(col, row, whole.width - col, whole.height - row)
        profile = {**whole.profile, "height": window.height, "width": window.width}
        profile["transform"] = whole.window_transform(window)
        if not placed:
            del profile["transform"], profile["crs"]
        with rasterio.open(path, "w", **profile) as part:
            part.write(whole.read(window=window))
            part.descriptions = whole.descriptions
    return path


def classes_of(scene_file: Path, model: LoadedModel, settings: PredictSettings) -> np.ndarray:
    """The map of a scene."""
    output = scene_file.with_name("map.tif")
    with Scene.open([scene_file]) as scene:
        predict_scene(scene, model, output, settings, overwrite=True)
    with rasterio.open(output) as landcover:
        return np.asarray(landcover.read(1))


def agreement(
    folder: Path, model: LoadedModel, settings: PredictSettings, *, placed: bool
) -> tuple[float, int]:
    """Share of equal pixels, and the number of classes among them."""
    whole = classes_of(write_part(folder / "whole.tif", 0, 0, placed=placed), model, settings)
    part = classes_of(write_part(folder / "part.tif", ROWS, COLS, placed=placed), model, settings)
    inner = slice(model.card.tile_size, -model.card.tile_size)
    one, other = whole[ROWS:, COLS:][inner, inner], part[inner, inner]
    mapped = (one != NODATA) & (other != NODATA)
    return float((one == other)[mapped].mean()), len(np.unique(one[mapped]))


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    model = load_model()
    print(f"Cut off: {ROWS} rows, {COLS} columns; tiles of {model.card.tile_size} pixels")
    print("overlap  tta    with transform  without  classes")
    rows = [(overlap, "none") for overlap in OVERLAPS]
    rows += [(overlap, "flips") for overlap in MIRRORED]
    with tempfile.TemporaryDirectory() as folder:
        for overlap, views in rows:
            settings = PredictSettings(overlap=overlap, views=views, batch_size=4)  # type: ignore[arg-type]
            placed, classes = agreement(Path(folder), model, settings, placed=True)
            unplaced, _ = agreement(Path(folder), model, settings, placed=False)
            print(
                f"{overlap:7d}  {views:5s}  {placed:13.2%}  {unplaced:7.2%}  {classes:7d}",
                flush=True,
            )


if __name__ == "__main__":
    main()
