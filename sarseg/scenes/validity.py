"""Where a raster without a nodata value holds no data: the border of zeros and noise of a scene."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.scenes.window import Window, spread_windows

_RUN = 8
"""Pixels that are looked at together, as the speckle of a single one may be as dark as noise."""

_DARK_SHARE = 0.01
"""Part of a scene that may be darker than what is taken for its darkest surface."""

_BELOW_DARKEST = 0.5
"""Noise of the border lies below this part of the amplitude of the darkest surface (6 dB), which
thermal noise keeps up: no echo and no thermal noise was recorded there."""

_LARGEST_NOISE = 10.0
"""In digital numbers. Sentinel-1's thermal noise alone makes 15 and more, so that dark water
survives also where a scene is land but for an edge of it."""


_BORDER = 8
"""On each side, the outer one of so many parts of a scene may be border."""


def inner_windows(height: int, width: int) -> Iterator[Window]:
    """Windows spread over the middle of a scene, which shows nothing of its border."""
    row, col = height // _BORDER, width // _BORDER
    for window in spread_windows(height - 2 * row, width - 2 * col):
        yield Window(row + window.row, col + window.col, window.height, window.width)


def _edges(height: int, width: int) -> Iterator[Window]:
    """The outermost row and column on each side of a raster."""
    yield Window(0, 0, 1, width)
    yield Window(height - 1, 0, 1, width)
    yield Window(0, 0, height, 1)
    yield Window(0, width - 1, height, 1)


def noise_ceiling(samples: Iterable[NDArray[np.float32]]) -> float:
    """The amplitude up to which pixels of the border may be noise, from ``inner_windows`` (h, w).

    Half the darkest surface's, which is the first percentile of the means of runs without a zero.
    0 where the scene is too small or too empty to tell, which leaves zeros only.
    """
    means = []
    for values in samples:
        runs = values[:, : values.shape[1] // _RUN * _RUN].reshape(len(values), -1, _RUN)
        means.append(runs[(runs > 0).all(axis=-1)].mean(axis=-1))
    surfaces = np.concatenate(means) if means else np.empty(0)
    if not surfaces.size:
        return 0.0
    darkest = float(np.quantile(surfaces, _DARK_SHARE))
    return min(_BELOW_DARKEST * darkest, _LARGEST_NOISE)


@dataclass(frozen=True)
class DataOutline:
    """First and last pixel with data of each row and of each column of a raster.

    Pixels without data are those connected to the raster's edge along their row or their column:
    zeros, and, for a ``ceiling`` above 0, border noise, which Sentinel-1 GRD products made before
    March 2018 (IPF 2.90), and some after, have between the zeros and the data (Ali et al. 2018,
    IEEE JSTARS 11(3), 777-786; Stasolla and Neyt 2018, Sensors 18(10), 3454). Walking inwards, data
    begin at the first pixel above the ceiling from which on most of the next few are. A zero or a
    dark pixel with data on all four sides is data; a raster without a zero at its edge is data all
    over. Memory grows with height + width only.
    """

    first_col: NDArray[np.int64]
    last_col: NDArray[np.int64]
    first_row: NDArray[np.int64]
    last_row: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        height: int,
        width: int,
        strips: Iterable[Window],
        read: Callable[[Window], NDArray[np.float32]],
        ceiling: Callable[[], float] = lambda: 0.0,
    ) -> "DataOutline":
        """The outline of the raster that ``read`` gives the values of, window by window.

        ``strips`` cover it, from top to bottom, in its full width; they are read only where the
        edges show a border. ``ceiling`` is the amplitude up to which pixels of it may be noise.
        """
        if not any(_shows_border(read(edge)) for edge in _edges(height, width)):
            return cls._of_everything(height, width)
        pieces = ((window, read(window)) for window in strips)
        return cls._of_strips(height, width, pieces, ceiling())

    @classmethod
    def _of_everything(cls, height: int, width: int) -> "DataOutline":
        return cls(
            np.zeros(height, np.int64),
            np.full(height, width - 1),
            np.zeros(width, np.int64),
            np.full(width, height - 1),
        )

    @classmethod
    def _of_strips(
        cls,
        height: int,
        width: int,
        strips: Iterable[tuple[Window, NDArray[np.float32]]],
        ceiling: float = 0.0,
    ) -> "DataOutline":
        run = _RUN if ceiling > 0 else 1
        first_col = np.full(height, width)
        last_col = np.full(height, -1)
        first_row = np.full(width, height)
        last_row = np.full(width, -1)
        above = np.empty((0, width), bool)  # rows whose run reaches into the next strip, and theirs
        for window, values in strips:
            rows, _ = window.slices_in(Window(0, 0, height, width))
            data = np.isfinite(values) & (values > ceiling if ceiling > 0 else values != 0)
            first_col[rows], last_col[rows] = _ends(data, run)

            joined = np.concatenate([above, data])
            top = window.row - len(above)
            forwards = _begins(joined, run)
            if window.row_end < height:
                forwards[max(len(joined) - run + 1, 0) :] = False  # decided with the next strip
            backwards = _begins(joined[::-1], run)[::-1]
            backwards[: len(above)] = False  # decided with the strip before
            filled = forwards.any(axis=0)
            first_row = np.where(
                filled, np.minimum(first_row, top + forwards.argmax(axis=0)), first_row
            )
            filled = backwards.any(axis=0)
            bottom = window.row_end - 1 - backwards[::-1].argmax(axis=0)
            last_row = np.where(filled, np.maximum(last_row, bottom), last_row)
            above = joined[max(len(joined) - run + 1, 0) :] if run > 1 else joined[:0]
        return cls(first_col, last_col, first_row, last_row)

    def inside(self, window: Window) -> NDArray[np.bool_]:
        """True (h, w) for the window's pixels that do not belong to the border."""
        rows = np.arange(window.row, window.row_end)[:, None]
        cols = np.arange(window.col, window.col_end)[None, :]
        of_rows, of_cols = slice(window.row, window.row_end), slice(window.col, window.col_end)
        result: NDArray[np.bool_] = (
            (cols >= self.first_col[of_rows, None])
            & (cols <= self.last_col[of_rows, None])
            & (rows >= self.first_row[None, of_cols])
            & (rows <= self.last_row[None, of_cols])
        )
        return result


def _ends(data: NDArray[np.bool_], run: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last column of each row of ``data`` (h, w); w and -1 where there is none."""
    width = data.shape[1]
    forwards = _begins(data.T, run).T
    backwards = _begins(data[:, ::-1].T, run).T
    first = np.where(forwards.any(axis=1), forwards.argmax(axis=1), width)
    last = np.where(backwards.any(axis=1), width - 1 - backwards.argmax(axis=1), -1)
    return first, last


def _begins(data: NDArray[np.bool_], run: int) -> NDArray[np.bool_]:
    """True (n, m) for pixels of ``data`` (n, m) from which on most of ``run`` along axis 0 are."""
    if run == 1:
        return data.copy()
    count = data.astype(np.uint8)
    reach = 1
    while reach < run:  # run is a power of two
        count[:-reach] += count[reach:]
        reach *= 2
    there = np.minimum(np.arange(len(data), 0, -1), run)[:, None]
    return np.asarray(data & (2 * count > there))


def _shows_border(edge: NDArray[np.float32]) -> bool:
    return bool((edge == 0).any() or not np.isfinite(edge).all())
