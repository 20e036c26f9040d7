"""Windows of scenes to learn from, and others, apart from them, to judge by."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.augment import turned
from sarseg.errors import InputError
from sarseg.filters.chain import NO_FILTERS
from sarseg.filters.preparation import Preparation, levels
from sarseg.filters.statistics import BandHistogram
from sarseg.filters.window import filtered_window
from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.collection import Files
from sarseg.scenes.location import local_file, shown
from sarseg.scenes.radiometry import to_intensity
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.window import Window

HELD_OUT = 16
"""Windows to judge by, at most."""

VALID = 0.5
"""Of a window's pixels; those with fewer are not shown."""

_ATTEMPTS = 1000


@dataclass(frozen=True)
class Example:
    """One window: what the network is shown, and what it is asked for.

    ``bands`` are float32 (C, S, S) in [-5, 5], decibels scaled by the scene's own statistics;
    ``intensity`` is float32 (C, S, S), linear, over the scene's median, cut off where ``bands``
    are. Both are 0 where ``valid``, bool (C, S, S), is False: at invalid pixels, and in bands that
    the scene does not have. ``spread``, float32 (C, 1, 1), are the decibels that 1 of ``bands`` is;
    0 in bands that the scene does not have.
    """

    bands: NDArray[np.float32]
    intensity: NDArray[np.float32]
    valid: NDArray[np.bool_]
    spread: NDArray[np.float32]

    def turned(self, number: int) -> "Example":
        """One of the eight flips and quarter turns."""
        return Example(
            turned(self.bands, number),
            turned(self.intensity, number),
            turned(self.valid, number),
            self.spread,
        )


@dataclass(frozen=True)
class _Surveyed:
    """An open scene: the slot of each band, its statistics, and what is for training (``free``).

    ``picks`` are the backscatter bands, ``pixels`` the valid ones, ``held`` the windows to judge
    by.
    """

    scene: Scene
    picks: tuple[int, ...]
    preparation: Preparation
    pixels: int
    free: Window
    held: tuple[Window, ...] = ()


class WindowSource:
    """Windows of ``size`` pixels a side, of several scenes; a context manager.

    ``bands`` are those of all scenes; a scene need not have them all. Scenes stay open. Where a
    scene is long enough, a strip at one of its ends, ``size`` wide, may be held out: ``held_out``
    are windows of such strips, at most 16, and what ``draw`` gives never touches the strips.
    """

    def __init__(self, surveyed: Sequence[_Surveyed], size: int, closing: ExitStack) -> None:
        self._surveyed = surveyed
        self._closing = closing
        self.size = size
        self.bands = tuple(
            dict.fromkeys(each.scene.bands[pick] for each in surveyed for pick in each.picks)
        )
        pixels = np.array([each.pixels for each in surveyed], np.float64)
        self._weights = pixels / pixels.sum()

    @classmethod
    def open(
        cls,
        scenes: Sequence[Files],
        reading: Reading,
        size: int,
        seed: int,
        warn: Callable[[str], None] = lambda sentence: None,
        tell: Callable[[str], None] = lambda note: None,
    ) -> Self:
        """Open ``scenes`` and read each once for its statistics; ``seed`` says what is held out.

        A scene of which a band is read already is left out: else one would be trained on the strip
        that the other holds out. ``warn`` is told of that, of scenes that are too small and what
        else a person should know, ``tell`` of what is being read. Raises InputError where a scene
        cannot be read, and where none has room for windows of both kinds.
        """
        generator = np.random.default_rng(seed)
        with ExitStack() as closing:
            surveyed = []
            taken: set[tuple[Path | None, str]] = set()
            for files in scenes:
                scene = closing.enter_context(Scene.open(files, reading))
                rasters = _rasters(scene)
                if rasters & taken:
                    warn(f"{scene.name} was named twice: taken once.")
                    continue
                taken |= rasters
                for doubt in scene.doubts:
                    warn(doubt)
                if min(scene.height, scene.width) < size:
                    warn(
                        f"{scene.name} has {scene.height} x {scene.width} pixels, too few for a "
                        f"window of {size}: left out."
                    )
                    continue
                tell(f"reading {scene.name}")
                if (found := _surveyed(scene)).pixels:
                    surveyed.append(found)
                else:
                    warn(f"{scene.name} has no valid pixel: left out.")
            divided = _divided(surveyed, size, generator)
            if not any(each.held for each in divided):
                raise InputError(
                    f"No scene has room for windows of {size} pixels to learn from and, beside "
                    f"them, to judge by: one side has to have {2 * size} pixels or more, half of "
                    "them valid. Choose a smaller --size or give larger scenes."
                )
            return cls(divided, size, closing.pop_all())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.close()

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """The scenes that windows are taken from."""
        return tuple(each.scene for each in self._surveyed)

    @property
    def held_out(self) -> list[Example]:
        """The windows to judge by, as they are."""
        return [self._example(each, window) for each in self._surveyed for window in each.held]

    def draw(self, generator: np.random.Generator) -> Example:
        """A window at random, of scenes by their valid area, turned and mirrored at random.

        Raises InputError where hardly a window is half valid.
        """
        for _ in range(_ATTEMPTS):
            of = self._surveyed[generator.choice(len(self._surveyed), p=self._weights)]
            row, col = (
                start + int(generator.integers(length - self.size + 1))
                for start, length in ((of.free.row, of.free.height), (of.free.col, of.free.width))
            )
            example = self._example(of, Window(row, col, self.size, self.size))
            if example.valid.any(axis=0).mean() >= VALID:
                return example.turned(int(generator.integers(8)))
        raise InputError(
            f"Of {_ATTEMPTS} windows of {self.size} pixels, drawn at random, none was half valid: "
            "choose a smaller --size or give scenes with fewer gaps."
        )

    def _example(self, of: _Surveyed, window: Window) -> Example:
        found, valid = _decibels(of.scene, window, of.picks)
        scaled = np.where(valid, of.preparation.scaled(found, valid), np.float32(0))
        decibels = np.array([each.spread for each in of.preparation.scaling], np.float32)
        decibels = decibels[:, None, None]
        relative = np.where(valid, to_intensity(scaled * decibels, "db"), 0)
        slots = [self.bands.index(of.scene.bands[pick]) for pick in of.picks]
        shape = len(self.bands), window.height, window.width
        bands, intensity = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        filled, spread = np.zeros(shape, np.bool_), np.zeros((shape[0], 1, 1), np.float32)
        bands[slots], intensity[slots], filled[slots] = scaled, relative, valid
        spread[slots] = decibels
        return Example(bands, intensity, filled, spread)


def _rasters(scene: Scene) -> set[tuple[Path | None, str]]:
    """Where the bands of backscatter are read from, however that was spelled: a file and what is
    read within it, or an address."""
    files = {
        file
        for band in scene.sources
        if band.meaning.role == "backscatter"
        for file in band.files[:1]  # what follows it may belong to several: sidecars, metadata
    }
    found: set[tuple[Path | None, str]] = set()
    for file in files:
        local = local_file(file)
        inner = shown(file) if local is None else shown(file).partition("!")[2]
        found.add((None if local is None else local.resolve(), inner))
    return found


def _surveyed(scene: Scene) -> _Surveyed:
    """Read ``scene`` once, strip by strip."""
    picks = tuple(n for n, band in enumerate(scene.bands) if not is_auxiliary(band))
    histogram = BandHistogram(len(picks))
    for strip in scene.strips():
        found, valid = _decibels(scene, strip, picks)
        histogram.add(found[:, valid])
    preparation = Preparation(despeckle=None, scaling=histogram.scaling())
    free = Window(0, 0, scene.height, scene.width)
    return _Surveyed(scene, picks, preparation, histogram.count, free)


def _decibels(
    scene: Scene, window: Window, picks: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Decibels (C, h, w) of the bands ``picks``, and validity (h, w)."""
    linear, valid = filtered_window(scene, window, picks, NO_FILTERS)
    return levels(linear, [False] * len(picks), "db"), valid


def _divided(
    surveyed: Sequence[_Surveyed], size: int, generator: np.random.Generator
) -> list[_Surveyed]:
    """Strips held out of as few scenes as 16 windows need, of four at least where there are."""
    divided = list(surveyed)
    held = 0
    long = [
        n for n, each in enumerate(surveyed) if max(each.free.height, each.free.width) >= 2 * size
    ]
    share = -(-HELD_OUT // min(max(len(long), 1), 4))
    for number in generator.permutation(np.array(long, np.intp)):
        if held >= HELD_OUT:
            break
        cut = _held_out(surveyed[number], size, min(share, HELD_OUT - held), generator)
        if cut.held:
            divided[number] = cut
            held += len(cut.held)
    return divided


def _held_out(of: _Surveyed, size: int, most: int, generator: np.random.Generator) -> _Surveyed:
    """``of`` without a strip at one end of its longer side, and up to ``most`` windows of that."""
    height, width = of.scene.height, of.scene.width
    last = bool(generator.integers(2))
    if height >= width:
        row = height - size if last else 0
        places = [Window(row, col, size, size) for col in range(0, width - size + 1, size)]
        free = Window(0 if last else size, 0, height - size, width)
    else:
        col = width - size if last else 0
        places = [Window(row, col, size, size) for row in range(0, height - size + 1, size)]
        free = Window(0, 0 if last else size, height, width - size)
    held: list[Window] = []
    for number in generator.permutation(len(places)):
        if len(held) == most:
            break
        if of.scene.read(places[number], of.picks)[1].mean() >= VALID:
            held.append(places[number])
    return _Surveyed(of.scene, of.picks, of.preparation, of.pixels, free, tuple(held))
