"""One band of a scene: what it means, and its pixels by window."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from sarseg.errors import InputError
from sarseg.scenes.location import is_remote, shown
from sarseg.scenes.missing import Missing, PartialReader
from sarseg.scenes.opening import format_name, gdal_settings, reason
from sarseg.scenes.unit import Calibration, Unit, UnitSource
from sarseg.scenes.validity import DataOutline, inner_windows, noise_ceiling
from sarseg.scenes.window import Window, strips_of

Role = Literal["backscatter", "auxiliary", "mask"]
"""``auxiliary`` are measurements beside the backscatter (angles, heights), which are never
despeckled; a ``mask`` marks pixels that are not to be used."""

_ALL_BITS = -1.0
"""As an integer, it has all the bits that mark a pixel."""

_DATA = np.float32(np.finfo(np.float32).max)
"""What pixels that cannot be read are taken for when the outline of the data is drawn. As data,
they make none of the others invalid; and border that they hide from its row is seen along its
column, and the other way round, but where there are gaps in both."""


@dataclass(frozen=True)
class Meaning:
    """What a band holds.

    ``name`` is the polarisation (``VV``), a name of ``sarseg.scenes.auxiliary``, or ``band 1``.
    ``unit`` is that of backscatter, None where it has to be guessed; ``calibration`` None where it
    is not known. A mask marks pixels whose value has any of ``mask_bits``. The file's numbers are
    multiplied by ``factor``, which turns angles into degrees.
    """

    name: str
    role: Role = "backscatter"
    unit: Unit | None = None
    unit_source: UnitSource = "guess"
    calibration: Calibration | None = None
    mask_bits: int = ~0
    factor: float = 1.0


@dataclass(frozen=True)
class Encoding:
    """How a file holds a band: its format, the type of its numbers, and which pixels are none.

    ``nodata`` are the values that mean no data. Where a file does not say where its data are,
    ``outlined`` is True: zeros and noise that surround the data are told from them.
    """

    format: str
    dtype: str
    nodata: tuple[float, ...]
    outlined: bool


class Band(ABC):
    """One band of a scene, read by window, in the scene's own pixels."""

    meaning: Meaning

    @property
    @abstractmethod
    def height(self) -> int:
        """Rows."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Columns."""

    @property
    @abstractmethod
    def place(self) -> str:
        """The file and the band in it, for sentences."""

    @property
    @abstractmethod
    def files(self) -> tuple[str, ...]:
        """All files that are read."""

    @property
    @abstractmethod
    def block_rows(self) -> int:
        """Rows that are read at once anyway."""

    @property
    @abstractmethod
    def block_cols(self) -> int:
        """Columns that are read at once anyway."""

    @property
    @abstractmethod
    def linear_unit(self) -> Unit:
        """What the numbers are, if they are no decibels: whole numbers are amplitudes."""

    @property
    @abstractmethod
    def encoding(self) -> Encoding:
        """How the file holds the band."""

    @property
    def doubt(self) -> str | None:
        """A sentence about what a person should know of the numbers, where there is one."""
        return None

    @abstractmethod
    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Values (h, w), in the band's unit, and validity (h, w) of ``window``.

        ``window`` lies within the band. Raises InputError where the file cannot be read.
        """


class DerivedBand(Band):
    """A band made of another one, like it in all that is not said otherwise."""

    def __init__(self, band: Band) -> None:
        self.meaning = band.meaning
        self._band = band

    @property
    def height(self) -> int:
        return self._band.height

    @property
    def width(self) -> int:
        return self._band.width

    @property
    def place(self) -> str:
        return self._band.place

    @property
    def files(self) -> tuple[str, ...]:
        return self._band.files

    @property
    def block_rows(self) -> int:
        return self._band.block_rows

    @property
    def block_cols(self) -> int:
        return self._band.block_cols

    @property
    def linear_unit(self) -> Unit:
        return self._band.linear_unit

    @property
    def encoding(self) -> Encoding:
        return self._band.encoding


class RasterBand(Band):
    """A band of a raster file.

    Valid is what neither the file's nodata value or mask nor ``nodata`` takes out, what is finite,
    and, for backscatter of a file that does not say where it holds data, what is not among the
    zeros and the border noise that surround it. Complex values are read as their amplitude.

    Where the file cannot be read, pixels are invalid, and ``missing`` tells of them; without it,
    that is an error. Of a mask that cannot be read, all bits are set.
    """

    def __init__(
        self,
        dataset: DatasetReader,
        number: int,
        meaning: Meaning,
        nodata: float | None = None,
        missing: Missing | None = None,
    ) -> None:
        self.meaning = meaning
        self.dataset = dataset
        self.number = number  # GDAL counts bands from 1
        tagged = dataset.nodatavals[number - 1]
        self._nodata = tuple(value for value in (tagged, nodata) if value is not None)
        self._missing = missing
        self._partial = (
            None if missing is None else PartialReader(dataset, number, self._decoded, missing)
        )

    @property
    def height(self) -> int:
        return int(self.dataset.height)

    @property
    def width(self) -> int:
        return int(self.dataset.width)

    @property
    def place(self) -> str:
        return f"band {self.number} of {shown(self.dataset.name)}"

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(self.dataset.files)

    @property
    def block_rows(self) -> int:
        return int(self.dataset.block_shapes[self.number - 1][0])

    @property
    def block_cols(self) -> int:
        return int(self.dataset.block_shapes[self.number - 1][1])

    @property
    def linear_unit(self) -> Unit:
        complex_values = self._dtype.startswith("complex")  # complex integers are no numpy type
        counts = complex_values or np.issubdtype(np.dtype(self._dtype), np.integer)
        return "amplitude" if counts and not self._scaled else "intensity"

    @property
    def encoding(self) -> Encoding:
        return Encoding(format_name(self.dataset), self._dtype, self._nodata, self._outlined)

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        values, valid = self._read(window)
        if self._outlined:
            valid &= self._outline.inside(window)
        if self._missing is not None and (unreadable := self._unreadable(window)).any():
            self._missing.times += 1
            if self.meaning.role == "mask":
                values[unreadable], valid[unreadable] = _ALL_BITS, True
        return values, valid

    @property
    def _dtype(self) -> str:
        return str(self.dataset.dtypes[self.number - 1])

    @property
    def _mask_flags(self) -> list[MaskFlags]:
        return list(self.dataset.mask_flag_enums[self.number - 1])

    @property
    def _masked(self) -> bool:
        """True where the file itself says which pixels hold data."""
        return MaskFlags.all_valid not in self._mask_flags

    @property
    def _noisy(self) -> bool:
        """True for digital numbers such as those of Sentinel-1 GRD products, which have border
        noise; 8-bit images hold numbers as small in dark water."""
        amplitude = self.meaning.unit in (None, "amplitude")
        return self._dtype == "uint16" and not self._scaled and amplitude

    @property
    def _outlined(self) -> bool:
        """True where data have to be told from what surrounds them."""
        if self.meaning.role != "backscatter":
            return False  # sea level is 0 m, and of a mask 0 says that nothing is the matter
        if self._masked and self._mask_flags != [MaskFlags.nodata]:
            return False
        # a nodata value of 0 says nothing of border noise
        return not self._nodata or (self._noisy and set(self._nodata) == {0.0})

    @property
    def _scaled(self) -> bool:
        return self._scale != (1.0, 0.0)

    @property
    def _scale(self) -> tuple[float, float]:
        return self.dataset.scales[self.number - 1], self.dataset.offsets[self.number - 1]

    @cached_property
    def _outline(self) -> DataOutline:
        def read(window: Window) -> NDArray[np.float32]:
            return self._read(window)[0]

        def read_as_data(window: Window) -> NDArray[np.float32]:
            values = read(window)
            values[self._unreadable(window)] = _DATA
            return values

        def ceiling() -> float:
            inner = inner_windows(self.height, self.width)
            return noise_ceiling(map(read, inner)) if self._noisy else 0.0

        strips = strips_of(self.height, self.width, self.block_rows)
        return DataOutline.of(self.height, self.width, strips, read_as_data, ceiling)

    def _unreadable(self, window: Window) -> NDArray[np.bool_]:
        """True (h, w) for the pixels of ``window``, which has been read, that could not be."""
        if self._partial is None:
            return np.zeros((window.height, window.width), np.bool_)
        return self._partial.unreadable(window)

    def _read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Values, with GDAL's scale and offset applied, and validity as the file tells it."""
        name = self.dataset.name
        try:
            if self._partial is not None:
                return self._partial.read(window)
            return self._decoded(self.dataset, window)
        except RasterioError as error:
            advice = (
                "Check the connection, and whether the address is still valid."
                if is_remote(name)
                else "Copy or download it again."
            )
            raise InputError(
                f"{shown(name)} cannot be read at rows {window.row} to {window.row_end - 1}, "
                f"columns {window.col} to {window.col_end - 1}: the file seems to be incomplete or "
                f"damaged ({reason(error, name)}). {advice}"
            ) from error

    def _decoded(
        self, dataset: DatasetReader, window: Window
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """What ``_read`` gives, in one go. Raises RasterioError where GDAL cannot."""
        area = RasterioWindow(window.col, window.row, window.width, window.height)
        with gdal_settings(dataset.name):
            raw = dataset.read(self.number, window=area)
            mask = dataset.read_masks(self.number, window=area) if self._masked else None
        valid = np.ones(raw.shape, bool) if mask is None else mask != 0
        with np.errstate(over="ignore"):  # beyond float32 is infinite, and no data
            for nodata in self._nodata:  # a mask band hides the nodata value from GDAL's mask
                valid &= raw != nodata
            if np.iscomplexobj(raw):
                raw = np.abs(raw)
            scale, offset = self._scale
            values = (raw if not self._scaled else raw * scale + offset).astype(np.float32)
        if self.meaning.factor != 1.0:
            values *= np.float32(self.meaning.factor)
        return values, valid & np.isfinite(values)
