"""Regions of equal class as polygons in pixel coordinates, row by row in one pass.

Along each line between two rows every pixel corner is looked at where pixels of different classes
meet. The edges that leave it part the round into sectors, and each sector is a turn of the outline
of the region that it belongs to; turns are linked to those that the outline comes from and goes to.
Memory is thus that of the outlines of regions that are not complete yet.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sarseg.kernels import compiled
from sarseg.scenes.pixel_size import PixelSize
from sarseg.vectors.regions import Confidence, Outlines, Regions
from sarseg.vectors.rows import NO_CLASS, Percentages, Rows

BATCH = 8192
"""The most regions that are given at once."""

_HELD = 2**17
"""Turns; where there are more, those of complete regions are given away."""

_TURN = np.dtype(
    [("x", "i4"), ("y", "i4"), ("label", "i4"), ("next", "i4"), ("fixed", "?")], align=True
)
"""A turn of an outline at the pixel corner ``x``, ``y``, round pixels of the region ``label``."""

_LABEL = np.dtype(
    [
        ("parent", "i4"),
        ("class_id", "i4"),
        ("pixels", "i8"),
        ("area", "f8"),
        ("percent", "i8"),
        ("sure", "i8"),
        ("minimum", "i4"),
    ]
)
"""A region, or a part of one that was met apart: then ``parent`` is one that was met before.

``percent`` is the sum of the confidence of its ``sure`` pixels, and ``minimum`` the least.
"""

_CLASS, _REGION, _LEFT, _RIGHT = range(4)
"""What is kept of the row above: class and label of each pixel, and of each vertical edge below
its corners the turn at its upper end on its left and on its right side."""

_OUTWARDS = -1


def polygonise(
    rows: Rows,
    width: int,
    size: PixelSize | None = None,
    confidence: Percentages | None = None,
) -> Iterator[Regions]:
    """One polygon for each 4-connected region of equal class in ``rows`` of ``width`` pixels.

    Outlines have a vertex where they turn, and at each pixel corner where three or more of the four
    edges part different classes, or a class from none: neighbours share all vertices of their
    common edges, so that the polygons are a valid coverage. A region that touches itself at a
    corner has a hole there that touches its shell, or another hole.

    Regions come by their first pixel, row by row; in large rasters those that are complete early
    come before.
    """
    tracing = _Tracing(width)
    first = 0
    for block in rows:
        end = first + len(block)
        areas = _NO_AREAS if size is None else size.areas(first, end)
        percent = _NO_PERCENT if confidence is None else confidence(first, end)
        tracing.add(block, first, areas, percent)
        first = end
        if tracing.full:
            yield from tracing.complete(size is not None, confidence is not None)
    tracing.add(np.full((1, width), NO_CLASS, np.int32), first, _NO_AREAS, _NO_PERCENT)
    yield from tracing.complete(size is not None, confidence is not None)


_NO_AREAS = np.empty((0, 0))
_NO_PERCENT = np.empty((0, 0), np.uint8)


class _Tracing:
    """Turns and regions of the rows so far that were not given away yet."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._line = np.full((4, width + 2), NO_CLASS, np.int32)
        self._turns = np.empty(_HELD + 8 * (width + 1), _TURN)
        self._labels = np.empty(4 * (width + 1), _LABEL)
        self._touching = np.empty((4 * (width + 1), 2), np.int32)
        self._counts = np.zeros(3, np.int64)
        self._kept = 0

    @property
    def full(self) -> bool:
        """True where complete regions are to be given away."""
        return int(self._counts[0]) > max(_HELD, 2 * self._kept)

    def add(
        self,
        classes: NDArray[np.int32],
        first: int,
        areas: NDArray[np.float64],
        percent: NDArray[np.uint8],
    ) -> None:
        """Trace a block of rows from row ``first`` on."""
        done = 0
        while True:
            arrays = self._turns, self._labels, self._touching
            done = _trace(classes, areas, percent, first, done, self._line, *arrays, self._counts)
            if done == len(classes):
                return
            self._turns = _with_room(self._turns, int(self._counts[0]), 4 * (self._width + 1))
            self._labels = _with_room(self._labels, int(self._counts[1]), self._width)
            self._touching = _with_room(self._touching, int(self._counts[2]), 2 * (self._width + 1))

    def complete(self, measured: bool, sure: bool) -> Iterator[Regions]:
        """Regions that are complete, which are forgotten."""
        num_turns, num_labels, num_touching = self._counts.tolist()
        if not num_labels:
            return iter(())
        turns, labels = self._turns[:num_turns], self._labels[:num_labels]
        roots = _united(labels)
        is_open = np.zeros(num_labels, np.bool_)
        is_open[roots[self._line[_REGION][self._line[_REGION] >= 0]]] = True
        region = roots[turns["label"]]
        held = self._part_touching(self._touching[:num_touching], turns, region, is_open)
        closed = np.flatnonzero((roots == np.arange(num_labels)) & ~is_open)
        self._forget(turns, labels, region, roots, is_open, held)
        return _given(turns, labels[closed], _ranks(closed, num_labels)[region], measured, sure)

    def _part_touching(
        self,
        touching: NDArray[np.int32],
        turns: NDArray[np.void],
        region: NDArray[np.int32],
        is_open: NDArray[np.bool_],
    ) -> NDArray[np.int32]:
        """Let outlines that touch themselves part there: both turns go on where the other did.

        What is left are pairs of turns of which that is not known yet.
        """
        one, other = touching.T
        parting = (region[one] == region[other]) & ~is_open[region[one]]
        one, other = one[parting], other[parting]
        turns["next"][one], turns["next"][other] = turns["next"][other], turns["next"][one]
        both_open = is_open[region[touching]].all(axis=1)
        return touching[both_open]

    def _forget(
        self,
        turns: NDArray[np.void],
        labels: NDArray[np.void],
        region: NDArray[np.int32],
        roots: NDArray[np.int32],
        is_open: NDArray[np.bool_],
        touching: NDArray[np.int32],
    ) -> None:
        """Keep what belongs to open regions, counted anew."""
        kept, open_roots = np.flatnonzero(is_open[region]), np.flatnonzero(is_open)
        turn_ranks = _ranks(kept, len(turns))
        label_ranks = _ranks(open_roots, len(labels))
        self._turns = np.empty_like(self._turns)
        self._turns[: len(kept)] = turns[kept]
        following = self._turns["next"][: len(kept)]
        following[:] = np.where(following >= 0, turn_ranks[following], _OUTWARDS)
        self._turns["label"][: len(kept)] = label_ranks[region[kept]]
        self._labels = np.empty_like(self._labels)
        self._labels[: len(open_roots)] = labels[open_roots]
        self._labels["parent"][: len(open_roots)] = np.arange(len(open_roots))
        self._touching = np.empty_like(self._touching)
        self._touching[: len(touching)] = turn_ranks[touching]
        line = self._line
        line[_REGION] = np.where(line[_REGION] >= 0, label_ranks[roots[line[_REGION]]], NO_CLASS)
        for side in (_LEFT, _RIGHT):
            line[side] = np.where(line[side] >= 0, turn_ranks[line[side]], _OUTWARDS)
        self._counts[:] = len(kept), len(open_roots), len(touching)
        self._kept = len(kept)


def _with_room(array: NDArray[Any], used: int, wanted: int) -> NDArray[Any]:
    if used + wanted <= len(array):
        return array
    larger = np.empty((2 * len(array) + wanted, *array.shape[1:]), array.dtype)
    larger[:used] = array[:used]
    return larger


def _ranks(chosen: NDArray[np.intp], length: int) -> NDArray[np.int32]:
    """Position of each of ``length`` numbers among those ``chosen``; -1 of the others."""
    ranks = np.full(length, _OUTWARDS, np.int32)
    ranks[chosen] = np.arange(len(chosen))
    return ranks


def _given(
    turns: NDArray[np.void],
    labels: NDArray[np.void],
    ranks: NDArray[np.int32],
    measured: bool,
    sure: bool,
) -> Iterator[Regions]:
    """Regions of ``labels`` (N,) from turns, whose ``ranks`` tell to which of them they belong."""
    path, fixed, starts, owners, shells = _followed(turns, ranks)
    order = np.lexsort((~shells, owners))
    lengths = np.diff(starts)[order]
    first_rings = np.searchsorted(owners[order], np.arange(len(labels) + 1))
    for begin in range(0, len(labels), BATCH):
        polygons = first_rings[begin : begin + BATCH + 1]
        part = slice(polygons[0], polygons[-1])
        rings = np.concatenate([[0], np.cumsum(lengths[part] + 1)])
        corners, of_corners = _closed(path, fixed, starts[order[part]], rings)
        found = labels[begin : begin + BATCH]
        yield Regions(
            class_ids=found["class_id"].astype(np.int64),
            pixels=found["pixels"],
            areas=found["area"] if measured else np.full(len(found), np.nan),
            confidence=_confidence(found) if sure else None,
            outlines=Outlines(corners, rings, polygons - polygons[0], of_corners),
        )


def _confidence(labels: NDArray[np.void]) -> Confidence:
    known = labels["sure"] > 0
    mean = labels["percent"] / np.maximum(labels["sure"], 1)
    return Confidence(
        np.where(known, mean, np.nan), np.where(known, labels["minimum"].astype(float), np.nan)
    )


@compiled
def _trace(
    classes: NDArray[np.int32],
    areas: NDArray[np.float64],
    percent: NDArray[np.uint8],
    first: int,
    done: int,
    line: NDArray[np.int32],
    turns: NDArray[np.void],
    labels: NDArray[np.void],
    touching: NDArray[np.int32],
    counts: NDArray[np.int64],
) -> int:
    """Trace rows of a block from ``done`` on, as many as there is room for; returns where it
    stopped. ``counts`` are the turns, labels and pairs of touching turns that there are."""
    height, width = classes.shape
    below = np.full((2, width + 2), -1, np.int32)
    leaves = np.zeros(4, np.bool_)
    around = np.zeros(4, np.int32)
    owners = np.zeros(4, np.int32)
    made = np.zeros(4, np.int32)
    for row in range(done, height):
        if (
            counts[0] + 4 * (width + 1) > len(turns)
            or counts[1] + width > len(labels)
            or counts[2] + 2 * (width + 1) > len(touching)
        ):
            return row
        _label(classes, areas, percent, row, line, below, labels, counts)
        # the turns at the left end of the horizontal edge that is followed, on both its sides
        upper = lower = -1
        upper_right, lower_right = line[_CLASS, 0], below[_CLASS, 0]
        for col in range(width + 1):
            upper_left, lower_left = upper_right, lower_right
            upper_right, lower_right = line[_CLASS, col + 1], below[_CLASS, col + 1]
            if upper_left == lower_left == upper_right == lower_right:
                continue
            # counter-clockwise from the upper right
            around[0], around[1], around[2], around[3] = (
                upper_right,
                upper_left,
                lower_left,
                lower_right,
            )
            # edges that leave the corner, counter-clockwise: to the right, up, left, down
            leaves[0], leaves[1] = around[0] != around[3], around[1] != around[0]
            leaves[2], leaves[3] = around[2] != around[1], around[3] != around[2]
            number = int(leaves[0]) + int(leaves[1]) + int(leaves[2]) + int(leaves[3])
            if number == 2 and leaves[0] == leaves[2]:
                continue
            owners[0], owners[1] = line[_REGION, col + 1], line[_REGION, col]
            owners[2], owners[3] = below[_REGION, col], below[_REGION, col + 1]
            fixed = number > 2 or min(around[0], around[1], around[2], around[3]) < 0
            left, right = line[_LEFT, col], line[_RIGHT, col]
            new_upper, new_lower = upper, lower
            for out in range(4):
                made[out] = -1
                if not leaves[out] or around[out] < 0:
                    continue
                into = (out + 1) % 4
                while not leaves[into]:
                    into = (into + 1) % 4
                turn = counts[0]
                counts[0] += 1
                made[out] = turn
                turns[turn].x = col
                turns[turn].y = first + row
                turns[turn].label = owners[out]
                turns[turn].next = -1
                turns[turn].fixed = fixed
                if out == 0:
                    new_upper = turn
                elif out == 1:
                    turns[turn].next = left
                elif out == 2:
                    turns[turn].next = lower
                else:
                    line[_RIGHT, col] = turn
                if into == 0:
                    new_lower = turn
                elif into == 1:
                    turns[right].next = turn
                elif into == 2:
                    turns[upper].next = turn
                else:
                    line[_LEFT, col] = turn
            upper, lower = new_upper, new_lower
            if number == 4:
                for one in range(2):
                    if around[one] == around[one + 2] and around[one] >= 0:
                        touching[counts[2], 0] = made[one]
                        touching[counts[2], 1] = made[one + 2]
                        counts[2] += 1
        line[:2] = below
    return int(height)


@compiled
def _label(
    classes: NDArray[np.int32],
    areas: NDArray[np.float64],
    percent: NDArray[np.uint8],
    row: int,
    line: NDArray[np.int32],
    below: NDArray[np.int32],
    labels: NDArray[np.void],
    counts: NDArray[np.int64],
) -> None:
    """Find the regions of a row, ``below`` that in ``line``, and add up what is known of them."""
    width = classes.shape[1]
    col = 0
    while col < width:
        class_id = classes[row, col]
        begin = col
        label = np.int32(-1)
        last = np.int32(-1)
        while col < width and classes[row, col] == class_id:
            above = line[_REGION, col + 1]
            if class_id >= 0 and line[_CLASS, col + 1] == class_id and above != last:
                last = above
                while labels[above].parent != above:
                    above = labels[above].parent
                if label < 0:
                    label = above
                elif above < label:
                    labels[label].parent = above
                    label = above
                elif above > label:
                    labels[above].parent = label
            col += 1
        if class_id >= 0:
            if label < 0:
                label = np.int32(counts[1])
                counts[1] += 1
                labels[label].parent = label
                labels[label].class_id = class_id
                labels[label].pixels = 0
                labels[label].area = 0.0
                labels[label].percent = 0
                labels[label].sure = 0
                labels[label].minimum = 255
            labels[label].pixels += col - begin
            if len(areas):
                labels[label].area += areas[row, col] - areas[row, begin]
            if len(percent):
                for pixel in range(begin, col):
                    if percent[row, pixel] <= 100:
                        labels[label].percent += percent[row, pixel]
                        labels[label].sure += 1
                        labels[label].minimum = min(labels[label].minimum, percent[row, pixel])
        for pixel in range(begin, col):
            below[_CLASS, pixel + 1] = class_id
            below[_REGION, pixel + 1] = label


@compiled
def _united(labels: NDArray[np.void]) -> NDArray[np.int32]:
    """The first label of the region of each, which gets what is known of the others."""
    roots = np.empty(len(labels), np.int32)
    for label in range(len(labels) - 1, -1, -1):
        parent = labels[label].parent
        if parent != label:
            labels[parent].pixels += labels[label].pixels
            labels[parent].area += labels[label].area
            labels[parent].percent += labels[label].percent
            labels[parent].sure += labels[label].sure
            labels[parent].minimum = min(labels[parent].minimum, labels[label].minimum)
    for label in range(len(labels)):
        parent = labels[label].parent
        roots[label] = label if parent == label else roots[parent]
    return roots


@compiled
def _followed(
    turns: NDArray[np.void], ranks: NDArray[np.int32]
) -> tuple[
    NDArray[np.int32], NDArray[np.bool_], NDArray[np.int64], NDArray[np.int32], NDArray[np.bool_]
]:
    """Turns ring after ring, those of rank -1 left out: x and y (V, 2), and whether they are fixed
    (V,). Of R rings: where they begin (R + 1,), their region, and whether they are its shell."""
    seen = np.zeros(len(turns), np.bool_)
    path = np.empty((len(turns), 2), np.int32)
    fixed = np.empty(len(turns), np.bool_)
    starts = np.zeros(len(turns) // 4 + 2, np.int64)
    owners = np.empty(len(turns) // 4 + 1, np.int32)
    shells = np.empty(len(turns) // 4 + 1, np.bool_)
    rings = 0
    done = 0
    for start in range(len(turns)):
        if seen[start] or ranks[start] < 0:
            continue
        twice_area = np.int64(0)
        x = np.int64(turns[start].x)
        y = np.int64(turns[start].y)
        turn = start
        while not seen[turn]:
            seen[turn] = True
            path[done, 0], path[done, 1] = x, y
            fixed[done] = turns[turn].fixed
            done += 1
            turn = turns[turn].next
            next_x = np.int64(turns[turn].x)
            next_y = np.int64(turns[turn].y)
            twice_area += x * next_y - next_x * y
            x, y = next_x, next_y
        owners[rings], shells[rings] = ranks[start], twice_area < 0  # rows count downwards
        rings += 1
        starts[rings] = done
    return path[:done], fixed[:done], starts[: rings + 1], owners[:rings], shells[:rings]


@compiled
def _closed(
    path: NDArray[np.int32],
    fixed: NDArray[np.bool_],
    starts: NDArray[np.int64],
    rings: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Corners of the rings that begin at ``starts``, each with its first corner again as its last,
    and whether they are fixed."""
    corners = np.empty((rings[-1], 2), np.float64)
    of_corners = np.empty(rings[-1], np.bool_)
    for ring in range(len(starts)):
        first, last = rings[ring], rings[ring + 1] - 1
        for corner in range(first, last):
            turn = starts[ring] + corner - first
            corners[corner, 0], corners[corner, 1] = path[turn, 0], path[turn, 1]
            of_corners[corner] = fixed[turn]
        corners[last], of_corners[last] = corners[first], of_corners[first]
    return corners, of_corners
