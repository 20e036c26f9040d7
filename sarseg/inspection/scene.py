"""What a scene is, as sarseg reads it."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import pyproj

from sarseg.filters.looks import estimate_looks
from sarseg.inspection.report import Report
from sarseg.inspection.statistics import BandStatistics, ValueCounter
from sarseg.scenes.auxiliary import ELEVATION
from sarseg.scenes.band import RasterBand, Role
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import gcp_residual, map_crs, pixel_size
from sarseg.scenes.location import is_remote, shown
from sarseg.scenes.radiometry import to_intensity
from sarseg.scenes.reader import Scene
from sarseg.scenes.unit import Calibration, Unit, UnitSource
from sarseg.scenes.window import Window, spread_windows

Progress = Callable[[int, int], None]

AuxiliaryUnit = Literal["degrees", "m"]

_LARGEST_DB, _SMALLEST_DB = 15.0, -60.0
"""Medians that no calibrated scene has: ships alone shine above, noise alone lies below."""

_MUCH_NOISE = 0.01
"""Part of the pixels that border noise seldom exceeds."""


class Placement(Report):
    """How the pixels are tied to the ground.

    By a ``transform`` with or without a CRS, or by ``gcps`` ground control points, which their
    polynomial misses by ``gcp_residual`` pixels (root mean square; None where there is none).
    """

    crs: str | None
    transform: tuple[float, ...] | None
    gcps: int
    gcp_residual: float | None
    rpcs: bool


class BandReport(Report):
    """One band.

    ``source`` is its place in its file, ``format`` and ``dtype`` the file's; of ``nodata``, values
    that mean no data, NaN is spelled ``"NaN"``. ``unit`` is that of the numbers; ``calibration`` is
    None where it is not known. ``valid`` is the part, 0 to 1, of the pixels that hold data;
    ``border_noise`` the part that was taken for noise round the data, None where that was not
    looked for. ``looks`` is the equivalent number of looks, None where it cannot be estimated.
    """

    name: str
    role: Role
    source: str
    format: str
    dtype: str
    nodata: tuple[float | str, ...]
    unit: Unit | AuxiliaryUnit
    calibration: Calibration | None
    valid: float
    border_noise: float | None
    statistics: BandStatistics | None
    looks: float | None


class SceneReport(Report):
    """A scene. ``sampled`` is True where statistics are those of samples and not of all pixels.

    ``pixel_size`` is the side of a pixel on the ground in metres. ``left_out`` are the places of
    bands that are not read.
    """

    name: str
    files: tuple[str, ...]
    height: int
    width: int
    placement: Placement
    pixel_size: float | None
    unit: Unit
    unit_source: UnitSource
    bands: tuple[BandReport, ...]
    left_out: tuple[str, ...]
    sampled: bool
    warnings: tuple[str, ...]


def inspect_scene(scene: Scene, progress: Progress | None = None) -> SceneReport:
    """Look at all pixels of ``scene``, strip by strip; at samples where files are remote.

    ``progress(done, total)`` counts rows. Raises InputError where a file cannot be read.
    """
    files = dict.fromkeys(file for band in scene.sources for file in band.files)
    sampled = any(is_remote(file) for file in files)
    windows = spread_windows(scene.height, scene.width) if sampled else scene.strips()
    counts = [_Counts(scene, index) for index in range(len(scene.bands))]
    for window in windows:
        for count in counts:
            count.look_at(window)
        if progress is not None and not sampled:
            progress(window.row_end, scene.height)
    bands = tuple(count.report() for count in counts)
    return SceneReport(
        name=scene.name,
        files=tuple(shown(file) for file in files),
        height=scene.height,
        width=scene.width,
        placement=_placement(scene.georeference),
        pixel_size=pixel_size(scene.georeference),
        unit=scene.unit,
        unit_source=scene.unit_source,
        bands=bands,
        left_out=scene.left_out,
        sampled=sampled,
        warnings=tuple(_warnings(scene, bands)),
    )


class _Counts:
    """What is gathered of one band of ``scene``."""

    def __init__(self, scene: Scene, index: int) -> None:
        self._scene = scene
        self._index = index
        self._band = scene.sources[index]
        self._backscatter = self._band.meaning.role == "backscatter"
        self._values = ValueCounter(scene.unit if self._backscatter else None)
        self._encoding = self._band.encoding
        # other bands calibrate or average the noise before it can be seen here
        self._sees_noise = (
            isinstance(self._band, RasterBand) and self._encoding.outlined and not scene.restricted
        )
        self._pixels = self._noise = 0

    def look_at(self, window: Window) -> None:
        (values,), valid = self._scene.read(window, [self._index])
        self._values.add(values[valid])
        self._pixels += valid.size
        if self._sees_noise:
            self._noise += int(np.count_nonzero(~valid & np.isfinite(values) & (values != 0)))

    def report(self) -> BandReport:
        meaning = self._band.meaning
        of_height = meaning.name == ELEVATION
        return BandReport(
            name=meaning.name,
            role=meaning.role,
            source=self._band.place,
            format=self._encoding.format,
            dtype=self._encoding.dtype,
            nodata=tuple("NaN" if math.isnan(v) else v for v in self._encoding.nodata),
            unit=self._scene.unit if self._backscatter else "m" if of_height else "degrees",
            calibration=meaning.calibration,
            valid=self._values.count / self._pixels,
            border_noise=self._noise / self._pixels if self._sees_noise else None,
            statistics=self._values.statistics(),
            looks=self._looks() if self._backscatter else None,
        )

    def _looks(self) -> float | None:
        samples = self._scene.samples([self._index])
        return estimate_looks(
            (to_intensity(values[0], self._scene.unit), valid) for values, valid in samples
        )


def _placement(georeference: Georeference) -> Placement:
    crs, transform = map_crs(georeference), georeference.transform
    residual = gcp_residual(georeference)
    return Placement(
        crs=None if crs is None else _crs_name(crs),
        transform=None if transform is None else tuple(transform)[:6],
        gcps=0 if transform is not None else len(georeference.gcps),
        gcp_residual=residual if residual is not None and math.isfinite(residual) else None,
        rpcs=georeference.rpcs is not None,
    )


def _crs_name(crs: pyproj.CRS) -> str:
    """``EPSG:32631 (WGS 84 / UTM zone 31N)``, or the name alone."""
    code = crs.to_authority()
    return crs.name if code is None else f"{':'.join(code)} ({crs.name})"


def _warnings(scene: Scene, bands: Sequence[BandReport]) -> Iterator[str]:
    if scene.unit_guessed:
        yield (
            f"nothing says what the numbers are; they look like {scene.unit}. If they are "
            "something else, say so with --input-unit."
        )
    yield from scene.doubts
    medians = {
        band.name: band.statistics.median
        for band in bands
        if band.role == "backscatter" and band.statistics is not None
    }
    odd = [
        f"{name} has a median of {median:.1f} dB"
        for name, median in medians.items()
        if not _SMALLEST_DB < median < _LARGEST_DB
    ]
    if odd:
        yield (
            f"{', '.join(odd)}, which no calibrated backscatter has: perhaps the scene is not "
            "calibrated (then predict with --scaling scene), or the unit is wrong (--input-unit)."
        )
    for band in bands:
        if band.statistics is None:
            yield f"{band.name} has no valid pixel."
        if band.border_noise is not None and band.border_noise > _MUCH_NOISE:
            yield (
                f"{band.border_noise:.1%} of the pixels of {band.name} are dark, but not zero, and "
                "lie between the zeros of the border and the data: they are taken for noise and "
                "left out. Check that no water is lost there."
            )
