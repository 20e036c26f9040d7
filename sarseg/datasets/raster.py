"""Reading the small rasters that datasets are made of, whole."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rasterio.errors import RasterioError

from sarseg.errors import DatasetError, InputError
from sarseg.scenes.opening import open_raster


def read_raster(path: Path) -> NDArray[Any]:
    """All bands of an image file, (bands, rows, cols). Raises DatasetError where it cannot."""
    try:
        with open_raster(str(path)) as dataset:
            values: NDArray[Any] = dataset.read()
    except InputError as error:
        raise DatasetError(str(error)) from error
    except RasterioError as error:
        raise DatasetError(f"{path} cannot be read: {error}.") from error
    return values
