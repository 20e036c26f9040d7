"""Land-cover maps as GeoTIFF: written in rows, and their legend read back."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader, DatasetWriter

from sarseg.classes import MAX_CLASS_ID, NODATA, LandCoverClass, unnamed_class
from sarseg.scenes import osgeo
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.geotiff import GeoTiffWriter
from sarseg.scenes.window import Window

_BLOCK = 256
_CLASS_TAG = re.compile(r"CLASS_(\d+)")


class LandCoverWriter(GeoTiffWriter):
    """A land-cover GeoTIFF that is filled with rows from top to bottom; a context manager.

    Band 1, ``class``: class ids (uint8) with colour table and a tag ``CLASS_<id>=<name>`` a class.
    Band 2, ``confidence``, on request: 0..100 percent. Nodata is 255 in both. Where GDAL's Python
    bindings are installed, class names are also written as a raster attribute table.
    """

    what = "map"

    def __init__(
        self,
        path: Path,
        georeference: Georeference,
        classes: Sequence[LandCoverClass],
        *,
        confidence: bool = False,
        overwrite: bool = False,
        inputs: Iterable[Path] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(path, georeference, overwrite=overwrite, inputs=inputs)
        self._classes = tuple(classes)
        self._tags = dict(tags or {})
        self._bands = ("class", "confidence") if confidence else ("class",)
        # Only whole blocks go to the file: a compressed block written twice is stored twice.
        self._rows = np.full((len(self._bands), _BLOCK, georeference.width), NODATA, np.uint8)
        self._filled = 0
        self._next_row = 0

    def write_rows(
        self,
        row: int,
        classes: NDArray[np.uint8],
        confidence: NDArray[np.uint8] | None = None,
    ) -> None:
        """Append rows: ``classes`` (h, W) and, where the map has it, ``confidence`` (h, W).

        ``row`` must be the first row not written yet, else ValueError is raised.
        """
        layers = [classes] if confidence is None else [classes, confidence]
        if row != self._next_row or len(layers) != len(self._bands):
            raise ValueError(f"{len(layers)} bands at row {row}, expected row {self._next_row}")
        rest = np.stack(layers)
        self._next_row += rest.shape[1]
        while rest.shape[1]:
            taken = min(_BLOCK - self._filled, rest.shape[1])
            self._rows[:, self._filled : self._filled + taken] = rest[:, :taken]
            self._filled += taken
            rest = rest[:, taken:]
            if self._filled == _BLOCK or (self._next_row == self._georeference.height):
                self._flush(self._next_row - rest.shape[1])

    def _profile(self) -> dict[str, Any]:
        return {
            "count": len(self._bands),
            "dtype": "uint8",
            "nodata": NODATA,
            "tiled": True,
            "blockxsize": _BLOCK,
            "blockysize": _BLOCK,
            "compress": "deflate",
            "interleave": "band",
        }

    def _describe(self, dataset: DatasetWriter) -> None:
        colours = {entry.id: (*entry.colour, 255) for entry in self._classes}
        dataset.write_colormap(1, {**colours, NODATA: (0, 0, 0, 0)})
        dataset.update_tags(**self._tags)
        dataset.update_tags(1, **{f"CLASS_{entry.id}": entry.name for entry in self._classes})
        for number, name in enumerate(self._bands, start=1):
            dataset.set_band_description(number, name)

    def windows(self) -> Iterator[Window]:
        height, width = self._georeference.height, self._georeference.width
        for row in range(0, height, _BLOCK):
            yield Window(row, 0, min(_BLOCK, height - row), width)

    def _flush(self, end: int) -> None:
        window = Window(end - self._filled, 0, self._filled, self._georeference.width)
        self._write(window, self._rows[:, : self._filled])
        self._filled = 0

    def _finish(self) -> None:
        if self._next_row != self._georeference.height:
            raise ValueError(f"{self._next_row} of {self._georeference.height} rows written")
        super()._finish()
        if osgeo.available():
            try:
                osgeo.write_class_names(self._temporary, self._classes)
            except RuntimeError as error:  # what osgeo raises
                raise self._failure(str(error)) from error


def read_legend(dataset: DatasetReader) -> tuple[LandCoverClass, ...]:
    """Legend of an open class raster: names from the tags ``CLASS_<id>`` of band 1, colours from
    its colour table, in ascending order of id. Empty where there are no such tags."""
    names = {
        int(match[1]): name
        for key, name in dataset.tags(1).items()
        if (match := _CLASS_TAG.fullmatch(key)) and int(match[1]) <= MAX_CLASS_ID and name
    }
    try:
        colours = dataset.colormap(1)
    except ValueError:  # rasterio's word for: there is none
        colours = {}
    return tuple(
        LandCoverClass(
            id=class_id,
            name=names[class_id],
            colour=colours[class_id][:3] if class_id in colours else unnamed_class(class_id).colour,
        )
        for class_id in sorted(names)
    )
