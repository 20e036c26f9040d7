"""A scene: one or several raster files of one grid, read window by window."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast, get_args

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from sarseg.errors import InputError
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.opening import measured_bands, open_raster
from sarseg.scenes.polarisation import POLARISATIONS, band_polarisations
from sarseg.scenes.unit import UNIT_TAG, Unit
from sarseg.scenes.validity import DataOutline
from sarseg.scenes.window import Window

_STRIP_PIXELS = 2**22
_SAMPLE_GRID = 8
_SAMPLE_SIDE = 128
_NEGATIVE_SHARE = 0.1
"""Part of negative values from which numbers are taken for decibels: power has none but the few
that noise subtraction leaves, decibels of land and water are nearly all negative."""


@dataclass(frozen=True)
class _Band:
    name: str
    dataset: DatasetReader
    number: int  # GDAL counts bands from 1

    @property
    def nodata(self) -> float | None:
        return self.dataset.nodatavals[self.number - 1]  # type: ignore[no-any-return]

    @property
    def masked(self) -> bool:
        """True where the file itself says which pixels hold data."""
        return MaskFlags.all_valid not in self.dataset.mask_flag_enums[self.number - 1]

    @property
    def scaled(self) -> bool:
        return self._scale != (1.0, 0.0)

    @property
    def _scale(self) -> tuple[float, float]:
        return self.dataset.scales[self.number - 1], self.dataset.offsets[self.number - 1]

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Values, with GDAL's scale and offset applied, and validity as the file tells it."""
        area = RasterioWindow(window.col, window.row, window.width, window.height)
        try:
            raw = self.dataset.read(self.number, window=area)
            mask = self.dataset.read_masks(self.number, window=area) if self.masked else None
        except RasterioError as error:
            raise InputError(
                f"{self.dataset.name} cannot be read at rows {window.row} to {window.row_end - 1}, "
                f"columns {window.col} to {window.col_end - 1}: the file seems to be incomplete or "
                f"damaged ({error.__cause__ or error}). Copy or download it again."
            ) from error
        valid = np.ones(raw.shape, bool) if mask is None else mask != 0
        if self.nodata is not None:  # a mask band hides the nodata value from GDAL's mask
            valid &= raw != self.nodata
        scale, offset = self._scale
        with np.errstate(over="ignore"):
            values = (raw if not self.scaled else raw * scale + offset).astype(np.float32)
        return values, valid & np.isfinite(values)


class Scene:
    """A lazy, windowed view of the bands of one scene; a context manager.

    Bands are named by polarisation where the file names them (``VV``), else ``band 1``,
    ``band 2``... Bands without a polarisation beside bands of the same file with one (incidence
    angle, mask) are left out.
    """

    def __init__(
        self,
        bands: Sequence[_Band],
        georeference: Georeference,
        unit: Unit,
        unit_guessed: bool,
        name: str,
        closing: ExitStack,
    ) -> None:
        self.name = name
        self.bands = tuple(band.name for band in bands)
        self.unit = unit
        self.unit_guessed = unit_guessed
        self.georeference = georeference
        self._bands = tuple(bands)
        self._outlines: dict[int, DataOutline] = {}
        self._closing = closing

    @classmethod
    def open(
        cls,
        paths: Sequence[Path | str],
        *,
        bands: Sequence[str] | None = None,
        unit: Unit | None = None,
    ) -> Self:
        """Open the files of one scene.

        ``bands`` names all bands in order, where the files do not; ``unit`` says what the numbers
        are, else it is the tag ``SARSEG_UNIT``, or guessed: decibels where more than a tenth of
        the values is negative, else amplitude for integers, else intensity.

        Raises InputError where a file is missing, unreadable, no SAR raster or given twice, where
        the files lie on different grids, and where names or units contradict each other.
        """
        names = [str(path) for path in paths]
        if not names:
            raise InputError("No file was given: give the raster files of one scene.")
        with ExitStack() as closing:
            _refuse_repeated(names)
            datasets = [closing.enter_context(open_raster(name)) for name in names]
            georeference = _shared_grid(datasets)
            opened = _named_bands(datasets, bands)
            known_unit = unit or _tagged_unit(datasets)
            return cls(
                opened,
                georeference,
                known_unit or _guessed_unit(opened),
                unit_guessed=known_unit is None,
                name=" + ".join(Path(name).name for name in names),
                closing=closing.pop_all(),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; the scene cannot be read any more."""
        self._closing.close()

    @property
    def height(self) -> int:
        """Rows."""
        return self.georeference.height

    @property
    def width(self) -> int:
        """Columns."""
        return self.georeference.width

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that are read: the ones given, and what they refer to (VRT, sidecars)."""
        return tuple(Path(file) for band in self._bands for file in band.dataset.files)

    def read(
        self, window: Window, bands: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Values (C, h, w) of ``bands`` (indices into ``self.bands``) and validity (h, w).

        Values are in ``self.unit``. A pixel is valid where all these bands are: not nodata, not
        masked, finite, and, in a file that does not say where it holds data, not among the zeros
        that surround it.

        Raises ValueError where ``window`` leaves the scene, InputError where a file cannot be read.
        """
        if window.within(self.height, self.width) != window or window.empty or not bands:
            raise ValueError(f"{window} of bands {bands} is not within {self.height, self.width}")
        values, valid = zip(*(self._read_band(window, index) for index in bands), strict=True)
        return np.stack(values), np.logical_and.reduce(valid)

    def strips(self) -> Iterator[Window]:
        """Windows of the scene's full width that cover it from top to bottom, a few million pixels
        each."""
        return strips_of(self.height, self.width, self._bands[0].dataset.block_shapes[0][0])

    def samples(
        self, bands: Sequence[int]
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """Values and validity, as ``read`` gives them, of windows spread over the scene."""
        for window in _spread_windows(self.height, self.width):
            yield self.read(window, bands)

    def _read_band(
        self, window: Window, index: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        band = self._bands[index]
        values, valid = band.read(window)
        if band.nodata is None and not band.masked:
            valid &= self._outline(index).inside(window)
        return values, valid

    def _outline(self, index: int) -> DataOutline:
        if index not in self._outlines:
            band = self._bands[index]
            strips = ((window, band.read(window)[0]) for window in self.strips())
            self._outlines[index] = DataOutline.of_strips(self.height, self.width, strips)
        return self._outlines[index]


def strips_of(height: int, width: int, block_height: int) -> Iterator[Window]:
    """Full-width windows in row order, of whole blocks where these are not too tall."""
    rows = max(_STRIP_PIXELS // width, 1)
    if rows > block_height:
        rows -= rows % block_height
    for row in range(0, height, rows):
        yield Window(row, 0, min(rows, height - row), width)


def _spread_windows(height: int, width: int) -> Iterator[Window]:
    def starts(length: int) -> list[int]:
        last = max(length - _SAMPLE_SIDE, 0)
        count = min(_SAMPLE_GRID, -(-length // _SAMPLE_SIDE))
        return sorted({round(start) for start in np.linspace(0, last, count)})

    for row in starts(height):
        for col in starts(width):
            yield Window(row, col, _SAMPLE_SIDE, _SAMPLE_SIDE).within(height, width)


def _refuse_repeated(names: Sequence[str]) -> None:
    seen: set[Path] = set()
    for name in names:
        path = Path(name).resolve()
        if path in seen:
            raise InputError(f"{name} is given twice: give each file of the scene once.")
        seen.add(path)


def _shared_grid(datasets: Sequence[DatasetReader]) -> Georeference:
    first = Georeference.of(datasets[0])
    for dataset in datasets[1:]:
        difference = Georeference.of(dataset).difference(first)
        if difference:
            raise InputError(
                f"{dataset.name} does not lie on the grid of {datasets[0].name}: {difference}. "
                "The files of one scene must have the same pixels: warp one onto the other first."
            )
    return first


def _named_bands(datasets: Sequence[DatasetReader], given: Sequence[str] | None) -> list[_Band]:
    if given is not None:
        return _bands_as_given(datasets, given)
    bands: list[_Band] = []
    for dataset in datasets:
        numbers = measured_bands(dataset)
        found = band_polarisations(
            Path(dataset.name).name,
            dataset.tags(),
            [dataset.descriptions[number - 1] for number in numbers],
            [dataset.tags(number) for number in numbers],
        )
        for number, polarisation in zip(numbers, found, strict=True):
            if polarisation or not any(found):
                bands.append(_Band(polarisation or f"band {len(bands) + 1}", dataset, number))
    _refuse_same_names(bands)
    return bands


def _bands_as_given(datasets: Sequence[DatasetReader], given: Sequence[str]) -> list[_Band]:
    places = [(dataset, number) for dataset in datasets for number in measured_bands(dataset)]
    if len(places) != len(given):
        raise InputError(
            f"{len(given)} band names were given ({', '.join(given)}), but "
            f"{' and '.join(dataset.name for dataset in datasets)} "
            f"hold{'s' if len(datasets) == 1 else ''} {len(places)}: name each band in order."
        )
    bands = [
        _Band(name.upper() if name.upper() in POLARISATIONS else name, dataset, number)
        for name, (dataset, number) in zip(given, places, strict=True)
    ]
    _refuse_same_names(bands)
    return bands


def _refuse_same_names(bands: Sequence[_Band]) -> None:
    seen: dict[str, _Band] = {}
    for band in bands:
        if band.name in seen:
            where = " and ".join(
                f"band {each.number} of {each.dataset.name}" for each in (seen[band.name], band)
            )
            raise InputError(
                f"Two bands are {band.name}: {where}. Give one of them, "
                "or name the bands with --bands."
            )
        seen[band.name] = band


def _tagged_unit(datasets: Sequence[DatasetReader]) -> Unit | None:
    """The unit that all files are tagged with; None where one is not tagged."""
    units: list[Unit] = []
    for dataset in datasets:
        tag = dataset.tags().get(UNIT_TAG)
        if tag is None:
            return None
        if tag not in get_args(Unit):
            raise InputError(
                f"{dataset.name} is tagged {UNIT_TAG}={tag}, which is none of "
                f"{', '.join(get_args(Unit))}: give --input-unit."
            )
        units.append(cast(Unit, tag))
    return _agreed(datasets, units)


def _guessed_unit(bands: Sequence[_Band]) -> Unit:
    guesses = [(band, guess) for band in bands if (guess := _guess(band))]
    if not guesses:
        return "intensity"  # nothing but nodata: no unit is wrong
    return _agreed([band.dataset for band, _ in guesses], [guess for _, guess in guesses])


def _agreed(datasets: Sequence[DatasetReader], units: Sequence[Unit]) -> Unit:
    for dataset, unit in zip(datasets, units, strict=True):
        if unit != units[0]:
            raise InputError(
                f"{datasets[0].name} seems to hold {units[0]} and {dataset.name} {unit}: "
                "give bands of one kind, or say what they are with --input-unit."
            )
    return units[0]


def _guess(band: _Band) -> Unit | None:
    """The unit that a band's numbers look like; None where it holds no data."""
    counts = np.issubdtype(np.dtype(band.dataset.dtypes[band.number - 1]), np.integer)
    linear: Unit = "amplitude" if counts and not band.scaled else "intensity"
    height, width = band.dataset.shape
    spread = [_signs(band, window) for window in _spread_windows(height, width)]
    positive, negative = (sum(signs) for signs in zip(*spread, strict=True))
    if positive + negative == 0:  # data may be anywhere: the first that there are decide
        for window in strips_of(height, width, band.dataset.block_shapes[0][0]):
            positive, negative = _signs(band, window)
            if positive + negative:
                break
        else:
            return None
    return "db" if negative > _NEGATIVE_SHARE * (positive + negative) else linear


def _signs(band: _Band, window: Window) -> tuple[int, int]:
    values, valid = band.read(window)
    return int((values[valid] > 0).sum()), int((values[valid] < 0).sum())
