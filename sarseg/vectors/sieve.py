"""Removing slivers: regions too small for the map are given to their neighbours."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sarseg.kernels import compiled
from sarseg.vectors.rows import NO_CLASS, Rows
from sarseg.vectors.runs import Runs

Rule: TypeAlias = Literal["border", "area"]
"""Which neighbour gets a sliver: that with the longest common border, or the largest."""

Areas: TypeAlias = Callable[[int, int], NDArray[np.float64]]
"""Areas of rows ``[first, end)`` (end - first, width + 1), summed up from the left."""

_BLOCK = 256
"""Rows that are given, and whose pixels' areas are asked for, at once."""

_EXACT = 1e-7
"""The part of an area on the ellipsoid that may be wrong. Fifty pixels of 100 m² in an equal-area
projection must not lie below half a hectare because of the last digits."""


def sieved(rows: Rows, width: int, minimum: float, areas: Areas, rule: Rule = "border") -> Rows:
    """``rows``, ``width`` pixels wide, without the regions whose area is below ``minimum``.

    Regions are 4-connected. One below the minimum, a sliver, is given to the neighbour with which
    it has the longest common border in pixel edges (``rule`` "border"; of several to the largest),
    or to the largest ("area"; of several to that with the longest common border); then the lowest
    class decides, then the first region. All slivers choose at once. Slivers that have chosen one
    another become one region with the class of the largest of them, so that a cluster of slivers
    grows together. This is done again until no region below the minimum has a neighbour.

    Pixels of regions that are large enough never change, nor do pixels without a class; a sliver
    that has only such pixels round it stays. The result is the same for any blocks of ``rows``, and
    is not changed by being sieved again.

    ``areas`` are in the unit of ``minimum``; a region with NaN in it counts as large. The whole
    raster is read before the first rows come, in memory that grows with its runs and regions.
    """
    runs = Runs.of(rows, width)
    labels, count = _label(runs.starts, runs.class_ids, runs.offsets, width)
    regions = _Regions(*_measure(runs, labels, count, areas))
    limit = minimum * (1 - _EXACT)
    borders = _borders(runs, labels, regions.below(limit), count)
    owners = np.arange(count)
    while len(borders.neighbours):
        merged, regions = _merge(regions, borders, by_area=rule == "area")
        borders = borders.of_merged(merged, regions.below(limit), len(regions.areas))
        owners = merged[owners]
    class_ids = np.append(regions.class_ids[owners], np.int32(NO_CLASS))[labels]  # [-1] is the last
    yield from replace(runs, class_ids=class_ids).rows(_BLOCK)


@dataclass(frozen=True)
class _Regions:
    """Class and area of N regions, ordered by their first pixel."""

    class_ids: NDArray[np.int32]
    areas: NDArray[np.float64]

    def below(self, limit: float) -> NDArray[np.int32]:
        """Numbers (S,) of the regions that are smaller."""
        return np.flatnonzero(self.areas < limit).astype(np.int32)


@dataclass(frozen=True)
class _Borders:
    """Neighbours of S slivers, each named once.

    Those of region ``slivers[i]`` are ``neighbours[offsets[i]:offsets[i + 1]]``; ``lengths`` are
    those of the common borders, in pixel edges.

    Regions that are large enough need no list. They choose no one, and a region of another class
    beside them that takes their class was a sliver and has them in its own.
    """

    slivers: NDArray[np.int32]
    offsets: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    lengths: NDArray[np.int32]

    @classmethod
    def combined(
        cls,
        slivers: NDArray[np.int32],
        offsets: NDArray[np.int64],
        neighbours: NDArray[np.int32],
        lengths: NDArray[np.int32],
        count: int,
    ) -> "_Borders":
        """Of lists that may name one of ``count`` regions often, or the sliver itself; they are
        overwritten."""
        kept = _combine(slivers, offsets, neighbours, lengths, count)
        return cls(slivers, kept, neighbours[: kept[-1]].copy(), lengths[: kept[-1]].copy())

    def of_merged(
        self, merged: NDArray[np.int64], slivers: NDArray[np.int32], count: int
    ) -> "_Borders":
        """The borders of ``slivers`` where region i has become region ``merged[i]`` of ``count``.

        A region that is a sliver still is made of slivers alone.
        """
        places = _places(slivers, count)[merged[self.slivers]]
        degrees = np.diff(self.offsets)
        offsets = np.zeros(len(slivers) + 1, np.int64)
        np.add.at(offsets[1:], places[places >= 0], degrees[places >= 0])
        np.cumsum(offsets, out=offsets)
        neighbours, lengths = np.empty((2, offsets[-1]), np.int32)
        _carry_over(
            self.offsets,
            self.neighbours,
            self.lengths,
            merged,
            places,
            offsets[:-1].copy(),
            neighbours,
            lengths,
        )
        return _Borders.combined(slivers, offsets, neighbours, lengths, count)


def _measure(
    runs: Runs, labels: NDArray[np.int64], count: int, areas: Areas
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Class and area of each of the ``count`` regions."""
    class_ids = np.empty(count, np.int32)
    sums = np.zeros(count)
    for first in range(0, runs.height, _BLOCK):
        end = min(first + _BLOCK, runs.height)
        offsets = runs.offsets[first : end + 1]
        _add_up(runs.starts, runs.class_ids, offsets, labels, areas(first, end), class_ids, sums)
    sums[np.isnan(sums)] = np.inf
    return class_ids, sums


def _borders(
    runs: Runs, labels: NDArray[np.int64], slivers: NDArray[np.int32], count: int
) -> _Borders:
    places = _places(slivers, count)
    raster = (runs.starts, runs.offsets, runs.width, labels, places)
    ends = np.zeros(len(slivers) + 1, np.int64)
    nothing = np.empty(0, np.int32)
    _list_borders(*raster, ends[1:], nothing, nothing)  # counts
    offsets = np.cumsum(ends)
    neighbours, lengths = np.empty((2, offsets[-1]), np.int32)
    _list_borders(*raster, offsets[:-1].copy(), neighbours, lengths)
    return _Borders.combined(slivers, offsets, neighbours, lengths, count)


def _places(slivers: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Where each of ``count`` regions is among ``slivers``; -1 where it is not."""
    places = np.full(count, -1, np.int32)
    places[slivers] = np.arange(len(slivers), dtype=np.int32)
    return places


def _merge(
    regions: _Regions, borders: _Borders, *, by_area: bool
) -> tuple[NDArray[np.int64], _Regions]:
    """Every sliver goes to its choice: the new number of each region, and the new regions."""
    lists = (borders.slivers, borders.offsets, borders.neighbours)
    parents = np.arange(len(regions.areas))
    _choose(*lists, borders.lengths, regions.class_ids, regions.areas, by_area, parents)
    class_ids = _taken(regions.class_ids, regions.areas, parents)
    _join_equal(*lists, class_ids, parents)
    count = _number(parents, class_ids)
    merged = np.empty(count, np.int32)
    merged[parents] = class_ids
    areas = np.zeros(count)
    np.add.at(areas, parents, regions.areas)
    return parents, _Regions(merged, areas)


@compiled
def _root(parents: NDArray[np.int64], member: int) -> int:
    while parents[member] != member:
        parents[member] = parents[parents[member]]
        member = parents[member]
    return member


@compiled
def _join(parents: NDArray[np.int64], one: int, other: int) -> None:
    """The first member of a set is its root."""
    one, other = _root(parents, one), _root(parents, other)
    parents[max(one, other)] = min(one, other)


@compiled
def _number(parents: NDArray[np.int64], class_ids: NDArray[np.int32]) -> int:
    """Replace parents by numbers of their sets, in the order of the first members; -1 without a
    class. Returns how many there are."""
    count = 0
    for member in range(len(parents)):
        if class_ids[member] == NO_CLASS:
            parents[member] = -1
        elif parents[member] == member:
            parents[member] = count
            count += 1
        else:  # a parent comes before and has its number already
            parents[member] = parents[parents[member]]
    return count


@compiled
def _label(
    starts: NDArray[np.int32],
    class_ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    width: int,
) -> tuple[NDArray[np.int64], int]:
    """The region (R,) of each run, -1 where it has no class, and the number of regions."""
    parents = np.arange(len(starts))
    for row in range(1, len(offsets) - 1):
        upper, lower = offsets[row - 1], offsets[row]
        while upper < offsets[row] and lower < offsets[row + 1]:
            upper_end = starts[upper + 1] if upper + 1 < offsets[row] else width
            lower_end = starts[lower + 1] if lower + 1 < offsets[row + 1] else width
            if class_ids[upper] == class_ids[lower] != NO_CLASS:
                _join(parents, upper, lower)
            upper += upper_end <= lower_end
            lower += lower_end <= upper_end
    return parents, _number(parents, class_ids)


@compiled
def _add_up(
    starts: NDArray[np.int32],
    class_ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    labels: NDArray[np.int64],
    areas: NDArray[np.float64],
    region_class_ids: NDArray[np.int32],
    sums: NDArray[np.float64],
) -> None:
    for row in range(len(offsets) - 1):
        for run in range(offsets[row], offsets[row + 1]):
            end = starts[run + 1] if run + 1 < offsets[row + 1] else areas.shape[1] - 1
            if labels[run] >= 0:
                sums[labels[run]] += areas[row, end] - areas[row, starts[run]]
                region_class_ids[labels[run]] = class_ids[run]


@compiled
def _list_borders(
    starts: NDArray[np.int32],
    offsets: NDArray[np.int64],
    width: int,
    labels: NDArray[np.int64],
    places: NDArray[np.int32],
    ends: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    lengths: NDArray[np.int32],
) -> None:
    """Put every piece of border of a sliver at the end of its list, and move ``ends`` (S,) there.

    Where ``neighbours`` is empty they are counted only.
    """
    for row in range(len(offsets) - 1):
        for run in range(offsets[row] + 1, offsets[row + 1]):
            _list_border(labels[run - 1], labels[run], 1, places, ends, neighbours, lengths)
        if row == 0:
            continue
        upper, lower = offsets[row - 1], offsets[row]
        while upper < offsets[row] and lower < offsets[row + 1]:
            upper_end = starts[upper + 1] if upper + 1 < offsets[row] else width
            lower_end = starts[lower + 1] if lower + 1 < offsets[row + 1] else width
            length = min(upper_end, lower_end) - max(starts[upper], starts[lower])
            _list_border(labels[upper], labels[lower], length, places, ends, neighbours, lengths)
            upper += upper_end <= lower_end
            lower += lower_end <= upper_end


@compiled
def _list_border(
    one: int,
    other: int,
    length: int,
    places: NDArray[np.int32],
    ends: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    lengths: NDArray[np.int32],
) -> None:
    if one == other or one < 0 or other < 0:
        return
    for region, neighbour in ((one, other), (other, one)):
        place = places[region]
        if place >= 0:
            if len(neighbours) > 0:
                neighbours[ends[place]] = neighbour
                lengths[ends[place]] = length
            ends[place] += 1


@compiled
def _combine(
    slivers: NDArray[np.int32],
    offsets: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    lengths: NDArray[np.int32],
    count: int,
) -> NDArray[np.int64]:
    """Name each neighbour once, in place; returns the new offsets (S + 1,)."""
    kept = np.zeros(len(offsets), np.int64)
    entries = np.full(count, -1)  # where each region was named last
    end = 0
    for place in range(len(slivers)):
        for entry in range(offsets[place], offsets[place + 1]):
            neighbour, length = neighbours[entry], lengths[entry]
            if entries[neighbour] >= kept[place]:
                lengths[entries[neighbour]] += length
            elif neighbour != slivers[place]:
                neighbours[end], lengths[end] = neighbour, length
                entries[neighbour] = end
                end += 1
        kept[place + 1] = end
    return kept


@compiled
def _choose(
    slivers: NDArray[np.int32],
    offsets: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    lengths: NDArray[np.int32],
    class_ids: NDArray[np.int32],
    areas: NDArray[np.float64],
    by_area: bool,
    parents: NDArray[np.int64],
) -> None:
    """Join each sliver that has neighbours with the one it is given to."""
    for place in range(len(slivers)):
        choice, best = -1, (0.0, 0.0, 0, 0)
        for entry in range(offsets[place], offsets[place + 1]):
            neighbour = neighbours[entry]
            first, second = float(lengths[entry]), areas[neighbour]
            if by_area:
                first, second = second, first
            rank = (first, second, -class_ids[neighbour], -neighbour)
            if choice < 0 or rank > best:
                choice, best = neighbour, rank
        if choice >= 0:
            _join(parents, slivers[place], choice)


@compiled
def _taken(
    class_ids: NDArray[np.int32], areas: NDArray[np.float64], parents: NDArray[np.int64]
) -> NDArray[np.int32]:
    """The class (N,) that each region takes: that of the largest one in its set."""
    largest = np.arange(len(parents))
    for region in range(len(parents)):
        root = _root(parents, region)
        held = largest[root]
        if areas[region] > areas[held] or (
            areas[region] == areas[held] and class_ids[region] < class_ids[held]
        ):
            largest[root] = region
    taken = np.empty(len(parents), np.int32)
    for region in range(len(parents)):
        taken[region] = class_ids[largest[_root(parents, region)]]
    return taken


@compiled
def _join_equal(
    slivers: NDArray[np.int32],
    offsets: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    class_ids: NDArray[np.int32],
    parents: NDArray[np.int64],
) -> None:
    """Join neighbours that have the same class now."""
    for place in range(len(slivers)):
        for entry in range(offsets[place], offsets[place + 1]):
            if class_ids[slivers[place]] == class_ids[neighbours[entry]]:
                _join(parents, slivers[place], neighbours[entry])


@compiled
def _carry_over(
    offsets: NDArray[np.int64],
    old_neighbours: NDArray[np.int32],
    old_lengths: NDArray[np.int32],
    merged: NDArray[np.int64],
    places: NDArray[np.int32],
    ends: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    lengths: NDArray[np.int32],
) -> None:
    """Put the neighbours of old sliver i, by their new numbers, at the end of the list of new
    sliver ``places[i]``, and move ``ends`` there."""
    for old in range(len(places)):
        place = places[old]
        if place >= 0:
            for entry in range(offsets[old], offsets[old + 1]):
                neighbours[ends[place]] = merged[old_neighbours[entry]]
                lengths[ends[place]] = old_lengths[entry]
                ends[place] += 1
