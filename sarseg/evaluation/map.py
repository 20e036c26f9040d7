"""A land-cover map as it lies on disk, read in rows."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from sarseg.classes import MAX_CLASS_ID, NODATA, LandCoverClass, complete_legend
from sarseg.errors import InputError
from sarseg.prediction.mapping import FinishedRows
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.landcover import read_legend
from sarseg.scenes.opening import open_raster, reason
from sarseg.scenes.window import Window, strips_of


class LandCoverMap:
    """Class ids in band 1 of a raster, and, where there is a band of that name, confidence.

    A context manager, and a ``Grid`` that labels may be laid on. ``classes`` are those of the
    legend in the file's tags and those that occur, by ascending id; to find them the map is read
    once.

    Raises InputError where the file is no map: unreadable, not of whole numbers, or with values
    that are no class id.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self._dataset = open_raster(str(path))
        try:
            self._check_type()
            self.whole = self.georeference = Georeference.of(self._dataset)
            self.cut = Window(0, 0, self.whole.height, self.whole.width)
            self.tags: dict[str, str] = self._dataset.tags()
            self._unmapped = {NODATA}
            if self._dataset.nodata is not None:
                self._unmapped.add(int(self._dataset.nodata))
            self.has_confidence = "confidence" in self._dataset.descriptions
            self.classes = self._legend()
        except InputError:
            self.close()
            raise

    def rows(self) -> Iterator[FinishedRows]:
        """The map from top to bottom, with its confidence."""
        for window in self._strips():
            bands = np.stack([self._class_ids(window), self._confidence(window)])
            yield FinishedRows(window.row, bands)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_type(self) -> None:
        kind = self._dataset.dtypes[0]
        if kind.startswith("complex") or not np.issubdtype(np.dtype(kind), np.integer):
            raise InputError(
                f"{self.path} holds {kind} values, so it is no land-cover map. Give a map of class "
                "ids, as `sarseg predict` writes it, or a model (.safetensors) and a scene."
            )

    def _legend(self) -> tuple[LandCoverClass, ...]:
        named = [each for each in read_legend(self._dataset) if each.id not in self._unmapped]
        found = {entry.id for entry in named}
        for window in self._strips():
            found.update(np.unique(self._class_ids(window)).tolist())
        found.discard(NODATA)
        if not found:
            raise InputError(f"The map {self.path} holds no class: all of it is nodata.")
        return complete_legend(sorted(found), named)

    def _strips(self) -> Iterator[Window]:
        height, width = self._dataset.shape
        return strips_of(height, width, self._dataset.block_shapes[0][0])

    def _class_ids(self, window: Window) -> NDArray[np.uint8]:
        values = self._values(1, window)
        mapped = ~np.isin(values, list(self._unmapped))
        wrong = np.argwhere(mapped & ((values < 0) | (values > MAX_CLASS_ID)))
        if wrong.size:
            row, col = wrong[0]
            raise InputError(
                f"{self.path} holds {values[row, col]} at row {window.row + row}, column {col}; "
                f"class ids of a land-cover map are 0 to {MAX_CLASS_ID}."
            )
        return np.where(mapped, values, NODATA).astype(np.uint8)

    def _confidence(self, window: Window) -> NDArray[np.uint8]:
        """Percent (h, w); 255 where there is none."""
        if not self.has_confidence:
            return np.full((window.height, window.width), NODATA, np.uint8)
        percent = self._values(self._dataset.descriptions.index("confidence") + 1, window)
        if not (((percent >= 0) & (percent <= 100)) | (percent == NODATA)).all():
            raise InputError(
                f"The confidence band of {self.path} holds values other than 0 to 100 percent and "
                f"{NODATA}. Give the map without that band."
            )
        return percent.astype(np.uint8)

    def _values(self, band: int, window: Window) -> NDArray[Any]:
        area = (slice(window.row, window.row_end), slice(window.col, window.col_end))
        try:
            values: NDArray[Any] = self._dataset.read(band, window=area)
        except RasterioError as error:
            told = reason(error, str(self.path))
            raise InputError(f"The map {self.path} cannot be read: {told}.") from error
        return values
