"""A scene: one or several raster files of one grid, read window by window."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sarseg.errors import InputError, UsageError
from sarseg.scenes.area import limited
from sarseg.scenes.auxiliary import AUXILIARY, LAYOVER_SHADOW, is_auxiliary
from sarseg.scenes.band import Band, Meaning, Role
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import misplacement
from sarseg.scenes.location import file_name, gdal_name, local_file, shown
from sarseg.scenes.missing import Missing
from sarseg.scenes.polarisation import POLARISATIONS
from sarseg.scenes.reading import DEFAULT, Reading
from sarseg.scenes.source import Source, open_sources
from sarseg.scenes.unit import Calibration, Unit, UnitSource
from sarseg.scenes.unit_guess import contradiction, guess_unit
from sarseg.scenes.warp import TERRAIN_NOTE, warped
from sarseg.scenes.window import Window, spread_windows, strips_of

Validity = Callable[[Window], NDArray[np.bool_]]
"""Where the pixels (h, w) of a window may be used."""


class Scene:
    """A lazy, windowed view of the bands of one scene; a context manager.

    ``bands`` are named by polarisation where the files name them (``VV``), else ``band 1``,
    ``band 2``... Auxiliary bands (``sarseg.scenes.auxiliary``) are among them, masks are not: what
    they mark is invalid. ``left_out`` are the places of bands beside named ones of the same file
    of which nothing is known. ``unit`` is that of all backscatter. ``doubts`` are sentences about
    what a person should know of the numbers. ``whole`` is the grid that the scene is the window
    ``cut`` of, where an area of interest limits it; all else is about that window. ``reading`` is
    how it was asked to be read, and ``missing`` what could not be read, where that is allowed.
    """

    def __init__(
        self,
        bands: Sequence[Band],
        georeference: Georeference,
        *,
        name: str,
        unit: Unit,
        unit_source: UnitSource,
        cut: Window | None = None,
        validity: Sequence[Validity] = (),
        left_out: Sequence[str] = (),
        doubts: Sequence[str] = (),
        reading: Reading = DEFAULT,
        missing: Missing,
        closing: ExitStack,
    ) -> None:
        self.name = name
        self.reading = reading
        self.missing = missing
        self.bands = tuple(band.meaning.name for band in bands)
        self.unit = unit
        self.unit_source = unit_source
        self.whole = georeference
        self.cut = cut or Window(0, 0, georeference.height, georeference.width)
        self.georeference = georeference.window(self.cut)
        self.left_out = tuple(left_out)
        self.doubts = tuple(doubts)
        self._bands = tuple(bands)
        self._validity = tuple(validity)
        self._closing = closing

    @classmethod
    def open(cls, paths: Sequence[Path | str], reading: Reading = DEFAULT) -> Self:
        """Open the files of one scene, as ``reading`` says.

        Where nobody says what the numbers are, the unit is guessed: decibels where more than a
        tenth of the values is negative, else amplitude for whole and complex numbers, else
        intensity.

        Raises InputError where a file is missing, unreadable, no SAR raster or given twice, where
        the files lie on different grids, and where names or units contradict each other. What
        ``reading`` allows to be missing is no error, unless it is all of a file.
        """
        names = [str(path) for path in paths]
        if not names:
            raise InputError("No file was given: give the raster files of one scene.")
        name = " + ".join(file_name(each) for each in names)
        missing = Missing()
        told = missing if reading.allow_missing else None
        with ExitStack() as closing:
            _refuse_repeated(names)
            sources = [
                source for each in names for source in open_sources(each, reading, closing, told)
            ]
            georeference = _shared_grid(sources)
            if reading.bands is None:
                bands, left_out = _named_bands(sources)
            else:
                bands, left_out = _bands_as_given(sources, reading.bands), []
            unit, unit_source = _resolve_unit(bands, reading.unit, name)
            doubts = [band.doubt for band in bands if band.doubt is not None]
            if reason := misplacement(georeference):
                doubts.append(
                    f"{name} cannot be placed on the map, {reason}: results keep its "
                    "georeferencing and are misplaced with it."
                )
            if reading.to_crs is not None or reading.resolution is not None:
                if georeference.transform is None:
                    doubts.append(TERRAIN_NOTE)
                bands, georeference = warped(
                    bands, georeference, reading.to_crs, reading.resolution, name
                )
            validity: list[Validity] = []
            cut = None
            if reading.area is not None:
                bands, cut, inside = limited(bands, georeference, reading.area, name)
                validity.append(inside)
            masks = [band for band in bands if band.meaning.role == "mask"]
            if not reading.keep_layover:
                validity.extend(map(_unmarked, masks))
            return cls(
                [band for band in bands if band not in masks],
                georeference,
                name=name,
                unit=unit,
                unit_source=unit_source,
                cut=cut,
                validity=validity,
                left_out=left_out,
                doubts=doubts,
                reading=reading,
                missing=missing,
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
        """All files on this machine that are read: the ones given, and what they refer to (VRT,
        sidecars); for a raster in a zip file the zip file."""
        files = (local_file(file) for band in self._bands for file in band.files)
        return tuple(file for file in files if file is not None)

    @property
    def unit_guessed(self) -> bool:
        """True where nobody said what the numbers are."""
        return self.unit_source == "guess"

    @property
    def sources(self) -> tuple[Band, ...]:
        """What each band means and where it comes from."""
        return self._bands

    @property
    def restricted(self) -> bool:
        """True where masks or an area of interest take pixels out."""
        return bool(self._validity)

    @property
    def calibrations(self) -> tuple[Calibration | None, ...]:
        """What each band is calibrated to; None where that is not known."""
        return tuple(band.meaning.calibration for band in self._bands)

    def read(
        self, window: Window, bands: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Values (C, h, w) of ``bands`` (indices into ``self.bands``) and validity (h, w).

        Backscatter is in ``self.unit``, auxiliary bands in units of their own. A pixel is valid
        where all these bands are, where no mask marks it, and within the area of interest.

        Raises ValueError where ``window`` leaves the scene, InputError where a file cannot be read.
        """
        if window.within(self.height, self.width) != window or window.empty or not bands:
            raise ValueError(f"{window} of bands {bands} is not within {self.height, self.width}")
        read = (self._bands[index].read(window) for index in bands)
        values, valid = zip(*read, strict=True)
        usable = [validity(window) for validity in self._validity]
        return np.stack(values), np.logical_and.reduce([*valid, *usable])

    def strips(self) -> Iterator[Window]:
        """Windows of the scene's full width that cover it from top to bottom, a few million pixels
        each."""
        return strips_of(self.height, self.width, self._bands[0].block_rows)

    def samples(
        self, bands: Sequence[int]
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """Values and validity, as ``read`` gives them, of windows spread over the scene."""
        for window in spread_windows(self.height, self.width):
            yield self.read(window, bands)


def _refuse_repeated(names: Sequence[str]) -> None:
    seen: set[Path | str] = set()
    for name in names:
        called = gdal_name(name)
        place = called if called.startswith("/vsi") else Path(called).resolve()
        if place in seen:
            raise InputError(f"{shown(name)} is given twice: give each file of the scene once.")
        seen.add(place)


def _shared_grid(sources: Sequence[Source]) -> Georeference:
    first = sources[0]
    for source in sources[1:]:
        difference = source.georeference.difference(first.georeference)
        if difference:
            raise InputError(
                f"{source.name} does not lie on the grid of {first.name}: {difference}. "
                "The files of one scene must have the same pixels: warp one onto the other first."
            )
    return first.georeference


def _named_bands(sources: Sequence[Source]) -> tuple[list[Band], list[str]]:
    """Bands that are known, or all of a file where none is; and the places of the others."""
    bands: list[Band] = []
    left_out: list[str] = []
    for source in sources:
        any_known = any(band.meaning.name for band in source.bands)
        for band in source.bands:
            if any_known and not band.meaning.name:
                left_out.append(band.place)
                continue
            if not any_known:
                band.meaning = replace(band.meaning, name=f"band {len(bands) + 1}")
            bands.append(band)
    _refuse_same_names(bands)
    _refuse_no_backscatter(bands)
    return bands, left_out


def _bands_as_given(sources: Sequence[Source], given: Sequence[str]) -> list[Band]:
    bands = [band for source in sources for band in source.bands]
    if len(bands) != len(given):
        raise InputError(
            f"{len(given)} band names were given ({', '.join(given)}), but "
            f"{' and '.join(source.name for source in sources)} "
            f"hold{'s' if len(sources) == 1 else ''} {len(bands)}: name each band in order."
        )
    for band, name in zip(bands, given, strict=True):
        band.meaning = _renamed(band.meaning, name)
    _refuse_same_names(bands)
    _refuse_no_backscatter(bands)
    return bands


def _renamed(meaning: Meaning, name: str) -> Meaning:
    role: Role = "backscatter"
    known = (*AUXILIARY, LAYOVER_SHADOW)
    if name not in known and (near := get_close_matches(name.lower(), known, n=1)):
        raise InputError(f"There is no band {name!r}; did you mean {near[0]!r}?")
    if name.upper() in POLARISATIONS:
        name = name.upper()
    elif is_auxiliary(name):
        role = "auxiliary"
    elif name == LAYOVER_SHADOW:
        role = "mask"
    if role == meaning.role:
        return replace(meaning, name=name)
    return Meaning(name, role)


def _refuse_same_names(bands: Sequence[Band]) -> None:
    seen: dict[str, Band] = {}
    for band in bands:
        name = band.meaning.name
        if name in seen:
            raise InputError(
                f"Two bands are {name}: {seen[name].place} and {band.place}. Give one of them, "
                "or give each a name of its own with --bands."
            )
        seen[name] = band


def _refuse_no_backscatter(bands: Sequence[Band]) -> None:
    if not any(band.meaning.role == "backscatter" for band in bands):
        named = ", ".join(f"{band.meaning.name} ({band.place})" for band in bands)
        raise InputError(
            f"No band of backscatter was given, only {named}: give the scene beside it, or name "
            "the bands with --bands."
        )


def _resolve_unit(bands: Sequence[Band], given: Unit | None, name: str) -> tuple[Unit, UnitSource]:
    """The unit of all backscatter, which becomes that of each band, and how it is known."""
    backscatter = [band for band in bands if band.meaning.role == "backscatter"]
    if given is not None and any(band.meaning.unit_source == "product" for band in backscatter):
        raise UsageError(
            f"{name} is calibrated by sarseg, which makes its numbers intensity: leave "
            f"--input-unit {given} out."
        )
    units = _units_of(backscatter, given)
    first = next(iter(units), None)
    if first is None:
        return "intensity", "guess"  # all nodata: no unit is wrong
    unit, source = units[first]
    for band, (its_unit, known_by) in units.items():
        if known_by in ("name", "guess") and (numbers := contradiction(band, its_unit)):
            says = "The name of" if known_by == "name" else "The sign of the numbers in"
            raise InputError(
                f"{says} {band.place} says {its_unit}, but its numbers are {numbers}: say what "
                "they are with --input-unit, or, if they are packed, unpack them first "
                "(gdal_translate -unscale, after -a_scale where the file has no scale)."
            )
        if its_unit != unit:
            raise InputError(
                f"{first.place} seems to hold {unit} and {band.place} {its_unit}: "
                "give bands of one kind, or say what they are with --input-unit."
            )
    for band in backscatter:
        band.meaning = replace(band.meaning, unit=unit, unit_source=source)
    return unit, source


def _units_of(bands: Sequence[Band], given: Unit | None) -> dict[Band, tuple[Unit, UnitSource]]:
    """The unit of each band and how it is known, stated ones first; bands without data left out.

    A band of which nobody says it has the unit of those of which it is said, where its numbers may
    be that.
    """
    if given is not None:
        return dict.fromkeys(bands, (given, "option"))
    units = {
        band: (band.meaning.unit, band.meaning.unit_source)
        for band in bands
        if band.meaning.unit is not None
    }
    stated = {unit for unit, _ in units.values()}
    for band in bands:
        if band not in units and (guess := guess_unit(band)) is not None:
            like = next(iter(stated)) if len(stated) == 1 else None
            fits = like is not None and contradiction(band, like) is None
            units[band] = (like if like is not None and fits else guess, "guess")
    return units


def _unmarked(mask: Band) -> Validity:
    def unmarked(window: Window) -> NDArray[np.bool_]:
        values, valid = mask.read(window)
        marked = np.where(valid, values, 0).astype(np.int64) & mask.meaning.mask_bits
        return np.asarray(marked == 0)

    return unmarked
