"""GeoTIFFs that are written window by window and appear whole or not at all."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zlib import crc32

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter
from rasterio.windows import Window as RasterioWindow

from sarseg.errors import OutputError, UsageError
from sarseg.scenes.georeference import Georeference, quietly_georeferenced
from sarseg.scenes.output import check_output, replacing
from sarseg.scenes.window import Window

_SIDECAR_SUFFIX = ".aux.xml"
_EXTENSIONS = (".tif", ".tiff")


def check_geotiff(path: Path, what: str, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Raise UsageError or OutputError where ``path`` could not become a GeoTIFF of ``what``."""
    if path.suffix.lower() not in _EXTENSIONS:
        raise UsageError(f"The {what} {path} would be a GeoTIFF; end its name in .tif or .tiff.")
    check_output(path, overwrite=overwrite, inputs=inputs)


class GeoTiffWriter(ABC):
    """A GeoTIFF on a grid that takes its name when the ``with`` block ends well.

    After an exception nothing is left, and a file that was there before is as it was. ``inputs``
    are files that must not be replaced.

    Raises OutputError where the file cannot be written, UsageError where its name does not end in
    .tif or .tiff.
    """

    what: str
    """What the file holds, for sentences: "map"."""

    def __init__(
        self,
        path: Path,
        georeference: Georeference,
        *,
        overwrite: bool = False,
        inputs: Iterable[Path] = (),
    ) -> None:
        self._path = path
        self._georeference = georeference
        self._overwrite = overwrite
        self._inputs = tuple(inputs)
        self._remaining = self.windows()
        self._checksum = 0
        self._finished = False
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        check_geotiff(self._path, self.what, overwrite=self._overwrite, inputs=self._inputs)
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
                self.finish()
            # A sidecar of the file that was replaced would describe the new one wrongly.
            if made.exists():
                made.replace(published)
            else:
                published.unlink(missing_ok=True)
        finally:
            made.unlink(missing_ok=True)

    def finish(self) -> None:
        """Close the file and read it back; nothing can be written any more.

        The end of the ``with`` block does it, and renames the file then. Of several files that are
        to appear together, finish all before the first is renamed.

        Raises OutputError where the file is not what was written, ValueError where rows are
        missing.
        """
        if not self._finished:
            self._finish()
        self._finished = True

    @abstractmethod
    def _profile(self) -> dict[str, Any]:
        """Creation keywords: bands, their type and how they are stored."""

    @abstractmethod
    def _describe(self, dataset: DatasetWriter) -> None:
        """Write tags, names and colours into the new file."""

    @abstractmethod
    def windows(self) -> Iterator[Window]:
        """The windows that the file is written in, which cover it, in order."""

    def _write(self, window: Window, values: NDArray[np.generic]) -> None:
        """Write ``values`` (C, h, w) of ``window``; ValueError where another is the next one."""
        expected = next(self._remaining, None)
        if window != expected:
            raise ValueError(f"{window} written, expected {expected}")
        try:
            self._dataset.write(values, window=_area(window))
        except RasterioError as error:
            raise self._failure(error) from error
        self._checksum = crc32(np.ascontiguousarray(values).data, self._checksum)

    def _finish(self) -> None:
        missing = next(self._remaining, None)
        if missing is not None:
            raise ValueError(f"{missing} has not been written")
        self._dataset.close()
        try:
            self._verify()
        except RasterioError as error:
            raise self._failure(error) from error

    def _create(self) -> DatasetWriter:
        try:
            with quietly_georeferenced():
                dataset = rasterio.open(
                    self._temporary,
                    "w",
                    driver="GTiff",
                    bigtiff="IF_SAFER",
                    **self._profile(),
                    **self._georeference.profile(),
                )
        except RasterioError as error:
            raise self._failure(error) from error
        # All of this before the first block: afterwards GDAL would append it or use a sidecar.
        self._describe(dataset)
        return dataset

    def _verify(self) -> None:
        """Read the file back: GDAL is silent where the disk was full for what it wrote last."""
        checksum = 0
        with quietly_georeferenced(), rasterio.open(self._temporary) as dataset:
            for window in self.windows():
                checksum = crc32(dataset.read(window=_area(window)).data, checksum)
        if checksum != self._checksum:
            raise self._failure("it reads back differently")

    def _failure(self, reason: Exception | str) -> OutputError:
        cause = getattr(reason, "__cause__", None) or reason
        return OutputError(
            f"The {self.what} {self._path} could not be written ({cause}): "
            "is there room on the disk?"
        )


def _area(window: Window) -> RasterioWindow:
    return RasterioWindow(window.col, window.row, window.width, window.height)


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + _SIDECAR_SUFFIX)
