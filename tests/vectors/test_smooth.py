from collections.abc import Iterator

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from sarseg.vectors.polygonise import polygonise
from sarseg.vectors.regions import Outlines
from sarseg.vectors.smooth import smoothed
from tests.vectors.maps import blocky

MAPS = arrays(
    np.int32, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(-1, 3)
)
"""Class rasters with pixels without a class."""


def outlines_of(classes: NDArray[np.int32]) -> Iterator[Outlines]:
    for regions in polygonise(iter([classes]), classes.shape[1]):
        yield regions.outlines


def only(classes: list[list[int]]) -> Outlines:
    (outlines,) = outlines_of(np.array(classes, np.int32))
    return outlines


@settings(deadline=None)  # the first call compiles
@given(classes=MAPS)
def test_a_valid_coverage_remains_one_of_the_same_area(classes: NDArray[np.int32]) -> None:
    for outlines in outlines_of(classes):
        old, new = outlines.geometries(), smoothed(outlines).geometries()
        assert shapely.is_valid(new).all()
        assert shapely.coverage_is_valid(new)
        assert shapely.area(new).sum() == shapely.area(old).sum() == (classes >= 0).sum()
        assert shapely.equals(shapely.union_all(new), shapely.union_all(old))
        assert not shapely.is_ccw(shapely.get_exterior_ring(new)).any()  # rows count downwards


@settings(deadline=None)
@given(classes=MAPS)
def test_corners_move_within_a_quarter_of_a_pixel_and_none_is_there_twice(
    classes: NDArray[np.int32],
) -> None:
    for outlines in outlines_of(classes):
        new = smoothed(outlines)
        assert (new.corners * 8 == np.round(new.corners * 8)).all()
        edges = np.delete(np.diff(new.corners, axis=0), new.rings[1:-1] - 1, axis=0)
        assert (edges != 0).any(axis=1).all()
        assert (new.corners[new.rings[:-1]] == new.corners[new.rings[1:] - 1]).all()
        for one, other in zip(outlines.geometries(), new.geometries(), strict=True):
            # No point of a line that cuts a corner is as far as that of the corner's diagonal.
            assert shapely.hausdorff_distance(one, other) <= np.sqrt(0.5) / 2 + 1e-12


@settings(deadline=None)
@given(classes=MAPS)
def test_fixed_corners_stay(classes: NDArray[np.int32]) -> None:
    for outlines in outlines_of(classes):
        new = smoothed(outlines)
        np.testing.assert_array_equal(new.corners[new.fixed], outlines.corners[outlines.fixed])
        np.testing.assert_array_equal(new.polygons, outlines.polygons)


def test_a_single_pixel_becomes_an_octagon_in_its_neighbours_hole() -> None:
    outer, inner = smoothed(only([[0, 0, 0], [0, 1, 0], [0, 0, 0]])).geometries()
    quarters = [(1.5, 1), (2, 1.5), (1.5, 2), (1, 1.5)]  # the middles of its edges, blunted
    cut = [
        (x + dx / 8, y + dy / 8)
        for (x, y), steps in zip(
            quarters,
            [[(-1, 1), (1, 1)], [(-1, -1), (-1, 1)], [(1, -1), (-1, -1)], [(1, 1), (1, -1)]],
            strict=True,
        )
        for dx, dy in steps
    ]
    assert set(inner.exterior.coords) == set(cut)
    assert set(outer.interiors[0].coords) == set(cut)
    assert inner.area == 0.5 - 4 / 64


def test_a_staircase_becomes_one_straight_line() -> None:
    classes = np.tril(np.ones((9, 9), np.int32))
    (outlines,) = outlines_of(classes)
    for polygon in smoothed(outlines).geometries():
        corners = shapely.get_coordinates(polygon)[:-1]
        inside = corners[((corners > 0) & (corners < 9)).all(axis=1)]
        assert len(inside) < 6  # the ends of the slanting line, of some sixteen corners
    (raw,) = outlines_of(classes)
    assert len(smoothed(raw).corners) < len(raw.corners) * 0.6


def test_straight_borders_of_many_pixels_stay_but_for_their_ends() -> None:
    outlines = only([[0] * 20, [0] + [1] * 18 + [0], [0] + [1] * 18 + [0], [0] * 20])
    bar = smoothed(outlines).geometries()[1]
    long = shapely.LineString([(1.75, 1), (18.25, 1)])
    assert bar.exterior.covers(long)
    assert bar.area == 36 - 4 / 8 - 4 * (1 / 64 + 1 / 64)


def test_edges_between_corners_beside_nothing_stay() -> None:
    outlines = only([[-1, 0, 0], [0, 0, -1], [1, 1, 1]])
    new = smoothed(outlines)
    np.testing.assert_array_equal(new.corners, outlines.corners)


@pytest.mark.parametrize("seed", range(3))
def test_outlines_given_in_parts_fit_together(seed: int) -> None:
    (outlines,) = outlines_of(blocky(60, 70, seed=seed).astype(np.int32))
    whole = smoothed(outlines).geometries()
    parts = []
    for polygon in range(len(outlines.polygons) - 1):
        first, last = outlines.polygons[polygon], outlines.polygons[polygon + 1]
        rings = outlines.rings[first : last + 1]
        corners = slice(rings[0], rings[-1])
        part = Outlines(
            outlines.corners[corners],
            rings - rings[0],
            np.array([0, last - first]),
            outlines.fixed[corners],
        )
        parts.append(smoothed(part).geometries()[0])
    assert (shapely.to_wkb(parts) == shapely.to_wkb(whole)).all()
