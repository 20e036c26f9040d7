"""Land-cover maps as GeoTIFF: written in rows, and their legend read back."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from zlib import crc32

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window as RasterioWindow

from sarseg.classes import MAX_CLASS_ID, NODATA, LandCoverClass, unnamed_class
from sarseg.errors import OutputError, UsageError
from sarseg.scenes import osgeo
from sarseg.scenes.georeference import Georeference, quietly_georeferenced
from sarseg.scenes.output import check_output, replacing

_BLOCK = 256
_CLASS_TAG = re.compile(r"CLASS_(\d+)")
_SIDECAR_SUFFIX = ".aux.xml"
_EXTENSIONS = (".tif", ".tiff")


class LandCoverWriter:
    """A land-cover GeoTIFF that is filled with rows from top to bottom; a context manager.

    Band 1, ``class``: class ids (uint8) with colour table and a tag ``CLASS_<id>=<name>`` a class.
    Band 2, ``confidence``, on request: 0..100 percent. Nodata is 255 in both. Where GDAL's Python
    bindings are installed, class names are also written as a raster attribute table.

    The file takes its name when the ``with`` block ends well; after an exception nothing is left,
    and a file that was there before is as it was. ``inputs`` are files that must not be replaced.

    Raises OutputError where the file cannot be written, UsageError where its name does not end in
    .tif or .tiff.
    """

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
        self._path = path
        self._georeference = georeference
        self._classes = tuple(classes)
        self._overwrite = overwrite
        self._inputs = tuple(inputs)
        self._tags = dict(tags or {})
        self._bands = ("class", "confidence") if confidence else ("class",)
        # Only whole blocks go to the file: a compressed block written twice is stored twice.
        self._rows = np.full((len(self._bands), _BLOCK, georeference.width), NODATA, np.uint8)
        self._filled = 0
        self._next_row = 0
        self._checksum = 0
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        if self._path.suffix.lower() not in _EXTENSIONS:
            raise UsageError(
                f"The map {self._path} would be a GeoTIFF; end its name in .tif or .tiff."
            )
        check_output(self._path, overwrite=self._overwrite, inputs=self._inputs)
        with ExitStack() as closing:
            self._temporary = closing.enter_context(replacing(self._path))
            self._dataset = closing.enter_context(self._create())
            self._closing = closing.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        made, published = _sidecar(self._temporary), _sidecar(self._path)
        try:
            if error is not None:
                self._closing.__exit__(kind, error, trace)
                return
            with self._closing:
                if self._next_row != self._georeference.height:
                    raise ValueError(
                        f"{self._next_row} of {self._georeference.height} rows written"
                    )
                self._finish()
            # A sidecar of the map that was replaced would describe the new one wrongly.
            if made.exists():
                made.replace(published)
            else:
                published.unlink(missing_ok=True)
        finally:
            made.unlink(missing_ok=True)

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

    def _create(self) -> DatasetWriter:
        try:
            with quietly_georeferenced():
                dataset = rasterio.open(
                    self._temporary,
                    "w",
                    driver="GTiff",
                    count=len(self._bands),
                    dtype="uint8",
                    nodata=NODATA,
                    tiled=True,
                    blockxsize=_BLOCK,
                    blockysize=_BLOCK,
                    compress="deflate",
                    interleave="band",
                    bigtiff="IF_SAFER",
                    **self._georeference.profile(),
                )
        except RasterioError as error:
            raise self._failure(error) from error
        # All of this before the first block: afterwards GDAL would append it or use a sidecar.
        colours = {entry.id: (*entry.colour, 255) for entry in self._classes}
        dataset.write_colormap(1, {**colours, NODATA: (0, 0, 0, 0)})
        dataset.update_tags(**self._tags)
        dataset.update_tags(1, **{f"CLASS_{entry.id}": entry.name for entry in self._classes})
        for number, name in enumerate(self._bands, start=1):
            dataset.set_band_description(number, name)
        return dataset

    def _flush(self, end: int) -> None:
        area = RasterioWindow(0, end - self._filled, self._georeference.width, self._filled)
        rows = self._rows[:, : self._filled]
        try:
            self._dataset.write(rows, window=area)
        except RasterioError as error:
            raise self._failure(error) from error
        self._checksum = crc32(rows.tobytes(), self._checksum)
        self._filled = 0

    def _finish(self) -> None:
        self._dataset.close()
        try:
            self._verify()
        except RasterioError as error:
            raise self._failure(error) from error
        if osgeo.available():
            try:
                osgeo.write_class_names(self._temporary, self._classes)
            except RuntimeError as error:  # what osgeo raises
                raise self._failure(str(error)) from error

    def _verify(self) -> None:
        """Read the file back: GDAL is silent where the disk was full for what it wrote last."""
        height, width = self._georeference.height, self._georeference.width
        checksum = 0
        with quietly_georeferenced(), rasterio.open(self._temporary) as dataset:
            for row in range(0, height, _BLOCK):
                area = RasterioWindow(0, row, width, min(_BLOCK, height - row))
                checksum = crc32(dataset.read(window=area).tobytes(), checksum)
        if checksum != self._checksum:
            raise self._failure("it reads back differently")

    def _failure(self, reason: RasterioError | str) -> OutputError:
        cause = getattr(reason, "__cause__", None) or reason
        return OutputError(
            f"The map {self._path} could not be written ({cause}): is there room on the disk?"
        )


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


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + _SIDECAR_SUFFIX)
