"""The class raster that becomes polygons: where it lies, and what its classes are called."""

import re
from collections.abc import Sequence
from threading import Event

import numpy as np
import pyproj
from rasterio.io import DatasetReader

from sarseg.errors import InputError, UsageError
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_crs, misplacement, to_pixels
from sarseg.scenes.landcover import read_legend
from sarseg.scenes.pixel_size import PixelSize
from sarseg.vectors.rows import Rows, read_rows

_UNNAMED = re.compile(r"class (\d+)")


class ClassRaster:
    """An open class raster, called ``name`` in sentences.

    ``size`` is None without a CRS that gives pixels one. Raises InputError where the transform, or
    the ground control points, do not tell where it lies.
    """

    def __init__(self, name: str, dataset: DatasetReader) -> None:
        self.name, self.dataset = name, dataset
        self.georeference = Georeference.of(dataset)
        if reason := misplacement(self.georeference):
            raise InputError(f"It cannot be told where the pixels of {name} lie: {reason}.")
        self.crs = map_crs(self.georeference)
        self.size = PixelSize.of(self.georeference)
        self.legend = read_legend(dataset)
        self._left = Event()

    def rows(self) -> Rows:
        """See ``read_rows``. After ``close`` they end in InterruptedError, in whatever thread."""
        for block in read_rows(self.dataset):
            if self._left.is_set():
                raise InterruptedError(f"{self.name} is not read any further")
            yield block

    def close(self) -> None:
        """Nobody wants any more rows."""
        self._left.set()

    @property
    def by_points(self) -> bool:
        """True where ground control points place it."""
        return self.georeference.transform is None and bool(self.georeference.gcps)

    @property
    def crs_name(self) -> str | None:
        """The CRS as a code, or by its name where it has none."""
        crs: pyproj.CRS | None = self.crs
        return None if crs is None else ":".join(crs.to_authority() or ()) or crs.name

    @property
    def holds_a_pole(self) -> bool:
        """True where a pole lies in the raster, so that meridians meet in it."""
        crs = self.crs
        if crs is None or crs.geodetic_crs is None or (crs.is_geographic and not crs.is_derived):
            return False
        to_crs = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
        quarter = np.pi / 2 / crs.geodetic_crs.axis_info[0].unit_conversion_factor
        poles = np.column_stack(to_crs.transform([0.0, 0.0], [quarter, -quarter]))
        pixels = to_pixels(poles[np.isfinite(poles).all(axis=1)], self.georeference)
        whole = np.array([self.georeference.width, self.georeference.height])
        return bool(((pixels >= 0) & (pixels <= whole)).all(axis=1).any())

    def measured(self, option: str, example: str) -> PixelSize:
        """``size`` for an ``option`` in metres. Raises UsageError where not all pixels have one."""
        if self.size is None or not self.size.everywhere:
            why = "no CRS" if self.crs is None else "a CRS that does not give all pixels a size"
            raise UsageError(
                f"{self.name} has {why}: give {option} in pixels, as in {option} {example}."
            )
        return self.size

    def ids_of(self, names: Sequence[str]) -> frozenset[int]:
        """Ids of the classes that are given by id or by name, in any case of letters; all of those
        that share a name. Raises UsageError where there is none of a name."""
        found: set[int] = set()
        for text in names:
            ids = {each.id for each in self.legend if each.name.casefold() == text.casefold()}
            if unnamed := _UNNAMED.fullmatch(text.casefold()):
                ids.add(int(unnamed[1]))
            if text.isdecimal():
                ids.add(int(text))
            if not ids:
                known = ", ".join(f"{entry.id} {entry.name}" for entry in self.legend)
                raise UsageError(
                    f"{self.name} has no class '{text}': "
                    + (f"it has {known}." if known else "it names none, so give numbers.")
                )
            found |= ids
        return frozenset(found)
