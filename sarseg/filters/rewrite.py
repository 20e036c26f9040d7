"""Scenes read window by window, filtered, and written again in their own unit."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import rasterio
from numpy.typing import NDArray

from sarseg import __version__
from sarseg.errors import InputError
from sarseg.filters.window import WindowFilter
from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.backscatter import BackscatterWriter
from sarseg.scenes.radiometry import from_intensity, to_intensity
from sarseg.scenes.reader import Scene
from sarseg.scenes.unit import Calibration, Unit
from sarseg.scenes.window import Window

_BLOCKS = 4  # of 512 pixels, a window's side: larger ones are no faster
_BLOCK_CACHE = 256 * 2**20  # holds what is read of an untiled scene for one row of windows

Progress = Callable[[int, int], None]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Settings(Protocol):
    """What can say how it is set, as pydantic's models do."""

    def model_dump(self) -> dict[str, Any]:
        """Settings by name."""
        ...


class SceneFilter(WindowFilter, Settings, Protocol):
    """A filter of one scene."""


class StackFilter(Settings, Protocol):
    """A filter of several dates of one place."""

    @property
    def margin(self) -> int:
        """Pixels needed on every side of a window."""
        ...

    def __call__(
        self, stack: NDArray[np.float32], valid: NDArray[np.bool_], device: str = "cpu"
    ) -> NDArray[np.float32]:
        """Filtered linear intensity (T, C, h, w), where ``valid`` (T, h, w)."""
        ...


@dataclass(frozen=True)
class RewriteSummary:
    """What was written.

    ``shape`` is (rows, columns), ``bands`` are all bands of the scene, ``unit`` that of its
    backscatter; ``valid`` is the part of backscatter values, 0 to 1, that are no nodata.
    """

    output: Path
    shape: tuple[int, int]
    bands: tuple[str, ...]
    unit: Unit
    valid: float
    seconds: float


class _Band(NamedTuple):
    """One band of a window with its margin, at every date; the margin is cut off at the end."""

    values: list[NDArray[np.float32]]
    """(1, h, w) a date: linear intensity, or an auxiliary band as it is."""
    valid: list[NDArray[np.bool_]]
    """(h, w) a date."""


_Pixels = tuple[Window, Window, list[_Band]]
"""A window, the part of the scene that was read for it, and the bands."""
_Filter = Callable[[_Band], Sequence[NDArray[np.float32]]]
"""Filtered intensity (1, h, w) of every date."""


def rewrite(
    scene: Scene,
    step: SceneFilter,
    output: Path,
    *,
    device: str = "cpu",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RewriteSummary:
    """Write ``scene``, its backscatter filtered by ``step``, to ``output``, a GeoTIFF.

    The filter sees linear intensity, the output is in the scene's unit; every pixel is what
    filtering the whole scene at once would give. Auxiliary bands stay as they are, and what is
    invalid in a band is NaN there. Memory does not grow with the scene. ``device`` names the torch
    device that computes; ``progress(done, total)`` is called as windows are finished.

    Raises InputError where the scene cannot be read or has no valid backscatter, OutputError where
    ``output`` cannot be written or is one of the files read, UsageError where its name does not end
    in .tif. No file is left behind then.
    """

    def filtered(band: _Band) -> Sequence[NDArray[np.float32]]:
        return [step(band.values[0], band.valid[0], device)]

    tags = {"SARSEG_FILTER": json.dumps(step.model_dump())}
    (summary,) = _rewrite([scene], filtered, step.margin, [output], tags, overwrite, progress)
    return summary


def rewrite_stack(
    scenes: Sequence[Scene],
    step: StackFilter,
    outputs: Sequence[Path],
    *,
    device: str = "cpu",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[RewriteSummary, ...]:
    """The same for ``scenes`` that are dates of one place, filtered together: an output each.

    Bands are matched by name. All outputs appear, or none.

    Raises InputError also where two scenes lie on different grids or have different bands.
    """
    for scene in scenes[1:]:
        _check_same_stack(scenes[0], scene)

    def filtered(band: _Band) -> Sequence[NDArray[np.float32]]:
        return list(step(np.stack(band.values), np.stack(band.valid), device))

    tags = {
        "SARSEG_FILTER": json.dumps(step.model_dump()),
        "SARSEG_STACK": ", ".join(scene.name for scene in scenes),
    }
    return _rewrite(scenes, filtered, step.margin, outputs, tags, overwrite, progress)


def _rewrite(
    scenes: Sequence[Scene],
    filtered: _Filter,
    margin: int,
    outputs: Sequence[Path],
    tags: dict[str, str],
    overwrite: bool,
    progress: Progress | None,
) -> tuple[RewriteSummary, ...]:
    started = time.monotonic()
    backscatter = [not is_auxiliary(band) for band in scenes[0].bands]
    counts = np.zeros(len(scenes), np.int64)
    with ExitStack() as closing:
        closing.enter_context(_bounded_cache())
        writers = [
            closing.enter_context(
                BackscatterWriter(
                    output,
                    scene.georeference,
                    scenes[0].bands,
                    scene.unit,
                    calibrations=_calibrations(scene, scenes[0].bands),
                    blocks=-(-_BLOCKS // isqrt(len(scenes))),
                    overwrite=overwrite,
                    inputs=[file for each in scenes for file in each.files],
                    tags={"SARSEG_VERSION": __version__, "SARSEG_SCENE": scene.name, **tags},
                )
            )
            for scene, output in zip(scenes, outputs, strict=True)
        ]

        def read(window: Window) -> _Pixels:
            source = window.padded(margin).within(scenes[0].height, scenes[0].width)
            return window, source, [_read(scenes, name, source) for name in scenes[0].bands]

        def compute(pixels: _Pixels) -> _Pixels:
            window, source, bands = pixels
            inner = window.slices_in(source)
            result = []
            for band, speckled in zip(bands, backscatter, strict=True):
                values = filtered(band) if speckled else band.values
                valid = [each[inner] for each in band.valid]
                if speckled:
                    counts[:] += [np.count_nonzero(each) for each in valid]
                result.append(_Band([each[:, *inner] for each in values], valid))
            return window, source, result

        def write(pixels: _Pixels) -> None:
            window, _, bands = pixels
            for date, (scene, writer) in enumerate(zip(scenes, writers, strict=True)):
                values = np.empty((len(bands), window.height, window.width), np.float32)
                for filled, band, speckled in zip(values, bands, backscatter, strict=True):
                    (found,) = band.values[date]
                    filled[:] = from_intensity(found, scene.unit) if speckled else found
                    filled[~band.valid[date]] = np.nan
                writer.write(window, values)

        total = sum(1 for _ in writers[0].windows())
        # reading and writing leave the processor idle now and then
        reading, writing = (closing.enter_context(ThreadPoolExecutor(1)) for _ in range(2))
        for pool in (reading, writing):
            # A thread during whose start Ctrl-C falls is not waited for: it must not use files yet.
            pool.submit(lambda: None).result()
        computed = map(compute, _begun_ahead(reading, read, writers[0].windows()))
        for done, _ in enumerate(_begun_ahead(writing, write, computed), start=1):
            if progress:
                progress(done, total)
        for scene, count in zip(scenes, counts, strict=True):
            if not count:
                raise InputError(
                    f"{scene.name} has no valid pixel: all is nodata, so there is nothing to do."
                )
        for writer in writers:
            writer.finish()
    values = scenes[0].height * scenes[0].width * sum(backscatter)
    return tuple(
        RewriteSummary(
            output=output,
            shape=(scene.height, scene.width),
            bands=scenes[0].bands,
            unit=scene.unit,
            valid=int(count) / values,
            seconds=time.monotonic() - started,
        )
        for scene, output, count in zip(scenes, outputs, counts, strict=True)
    )


def _read(scenes: Sequence[Scene], name: str, window: Window) -> _Band:
    """One band by itself, so that what is invalid in another does not spoil it."""
    band = _Band([], [])
    for scene in scenes:
        values, valid = scene.read(window, [scene.bands.index(name)])
        band.values.append(values if is_auxiliary(name) else to_intensity(values, scene.unit))
        band.valid.append(valid)
    return band


def _begun_ahead(
    pool: ThreadPoolExecutor, function: Callable[[_Item], _Result], items: Iterable[_Item]
) -> Iterator[_Result]:
    """``map(function, items)``, each call begun in the pool while the result before it is used."""
    begun: Future[_Result] | None = None
    for item in items:
        following = pool.submit(function, item)
        if begun is not None:
            yield begun.result()
        begun = following
    if begun is not None:
        yield begun.result()


def _calibrations(scene: Scene, bands: Sequence[str]) -> list[Calibration | None]:
    known = dict(zip(scene.bands, scene.calibrations, strict=True))
    return [known[band] for band in bands]


def _check_same_stack(first: Scene, other: Scene) -> None:
    difference = other.georeference.difference(first.georeference)
    if difference:
        raise InputError(
            f"{other.name} does not lie on the grid of {first.name}: {difference}. The dates of "
            "one stack must have the same pixels: warp one onto the other first."
        )
    if set(other.bands) != set(first.bands):
        raise InputError(
            f"{other.name} has the bands {', '.join(other.bands)} and {first.name} "
            f"{', '.join(first.bands)}: the dates of one stack must have the same."
        )


def _bounded_cache() -> rasterio.Env:
    """GDAL keeps blocks until a twentieth of the machine's memory is full of them, unless told."""
    if "GDAL_CACHEMAX" in os.environ:
        return rasterio.Env()
    return rasterio.Env(GDAL_CACHEMAX=_BLOCK_CACHE)
