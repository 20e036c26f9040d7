"""Writing a simulated scene and its truth as GeoTIFFs."""

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from sarseg.datasets.synthetic.legend import CLASSES
from sarseg.datasets.synthetic.scene import OUTSIDE, SimulatedScene
from sarseg.scenes.unit import UNIT_TAG, Unit

Floats = NDArray[np.float32]

_TILING = {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256}


def write_scene(
    scene: SimulatedScene,
    image_path: str | Path,
    labels_path: str | Path,
    *,
    unit: Unit = "intensity",
    step_db: float | None = None,
) -> None:
    """Writes the bands (float32, NaN outside, tag ``SARSEG_UNIT``) and the labels (uint8).

    ``step_db`` rounds dB values to its multiples, far below speckle, so that they compress well.
    """
    height, width = scene.labels.shape
    profile = {
        **_TILING,
        "height": height,
        "width": width,
        "crs": scene.crs,
        "transform": scene.transform,
        "compress": "deflate",
        "zlevel": 9,
    }
    with rasterio.open(
        image_path,
        "w",
        **profile,
        count=len(scene.bands),
        dtype="float32",
        nodata=float("nan"),
        predictor=3,
        interleave="band",
    ) as image:
        image.update_tags(**{UNIT_TAG: unit})
        for index, (polarisation, band) in enumerate(scene.bands.items(), start=1):
            image.write(_converted(band, unit, step_db), index)
            image.set_band_description(index, polarisation)
    with rasterio.open(
        labels_path, "w", **profile, count=1, dtype="uint8", nodata=OUTSIDE
    ) as truth:
        truth.write(scene.labels, 1)
        truth.write_colormap(1, {entry.id: (*entry.colour, 255) for entry in CLASSES})
        truth.update_tags(1, **{f"CLASS_{entry.id}": entry.name for entry in CLASSES})


def _converted(intensity: Floats, unit: Unit, step_db: float | None) -> Floats:
    if unit == "intensity":
        return intensity
    if unit == "amplitude":
        return np.sqrt(intensity)
    # A resolution cell may fade to nothing; its logarithm must not be minus infinity.
    decibel = 10.0 * np.log10(np.maximum(intensity, np.float32(1e-6)))
    if step_db is not None:
        decibel = np.round(decibel / np.float32(step_db)) * np.float32(step_db)
    return np.asarray(decibel, dtype=np.float32)
