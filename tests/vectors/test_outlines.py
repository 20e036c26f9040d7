import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from sarseg.vectors import outlines
from sarseg.vectors.polygonise import polygonise
from sarseg.vectors.regions import Geometries, Polygons
from sarseg.vectors.simplify import simplified
from sarseg.vectors.smooth import smoothed
from tests.vectors.maps import blocky


def split_edges(geometries: Geometries, step: int) -> Geometries:
    return outlines.split_edges(Polygons.of(geometries), step).geometries()


def test_one_pixel_steps_give_a_vertex_at_every_pixel_corner_of_the_outline() -> None:
    (split,) = split_edges(np.array([shapely.box(2, 3, 5, 4)]), 1)
    corners = {(x, y) for x in range(2, 6) for y in (3, 4)}
    assert set(split.exterior.coords) == corners
    assert len(split.exterior.coords) == len(corners) + 1


@pytest.mark.parametrize("step", [1, 4, 16])
def test_shapes_stay_and_new_vertices_lie_on_the_common_grid(step: int) -> None:
    holed = shapely.box(10, 10, 30, 30).difference(shapely.box(12, 11, 29, 28))
    shapes = np.array([shapely.box(0, 0, 40, 3), shapely.box(7, 3, 33, 5), holed], object)
    split = split_edges(shapes, step)
    assert shapely.equals(split, shapes).all()
    assert (shapely.length(split) == shapely.length(shapes)).all()
    for old, new in zip(shapes, split, strict=True):
        corners = shapely.get_coordinates(new)
        added = corners[~(corners[:, None] == shapely.get_coordinates(old)).all(2).any(1)]
        assert ((added % step == 0).any(axis=1)).all()
        for ring in (new.exterior, *new.interiors):
            assert np.abs(np.diff(np.array(ring.coords), axis=0)).max() <= step


def test_rings_are_kept_apart() -> None:
    holed = shapely.box(0, 0, 9, 9).difference(shapely.box(2, 2, 4, 7))
    first, second = split_edges(np.array([holed, shapely.box(20, 0, 25, 1)], object), 1)
    assert len(first.interiors) == 1
    assert first.area == 71
    assert second.area == 5


LINES = st.tuples(*[st.floats(-100, 100).map(lambda value: round(value * 8) / 8)] * 4).filter(
    lambda ends: ends[:2] != ends[2:]
)


@given(ends=LINES, step=st.sampled_from([1, 4, 16]))
def test_neighbours_get_the_same_vertices_whichever_way_they_run(
    ends: tuple[float, float, float, float], step: int
) -> None:
    start, end = np.array(ends[:2]), np.array(ends[2:])
    aside = (start + end) / 2 + 3 * (end - start)[::-1] * [1, -1]
    ways = [[start, end, aside, start], [end, start, aside, end]]
    forwards, backwards = split_edges(shapely.polygons(ways), step)
    there, back = shapely.get_coordinates(forwards), shapely.get_coordinates(backwards)
    last = int(np.flatnonzero((there == end).all(axis=1))[0])
    (first,) = np.flatnonzero((back == start).all(axis=1))
    np.testing.assert_array_equal(there[: last + 1], back[first::-1])
    assert (
        shapely.distance(shapely.points(there), shapely.linestrings([start, end]))[: last + 1].max()
        <= 1e-12
    )
    assert np.abs(np.diff(there, axis=0)).max() <= step + 1e-12


def test_a_smoothed_and_simplified_coverage_remains_valid() -> None:
    (regions,) = polygonise(iter([blocky(60, 70).astype(np.int32)]), 70)
    shapes = simplified(smoothed(regions.outlines).geometries(), 2)
    split = split_edges(shapes, 1)
    assert shapely.coverage_is_valid(split)
    assert shapely.is_valid(split).all()
    np.testing.assert_allclose(shapely.area(split), shapely.area(shapes), rtol=1e-12)
    assert shapely.get_num_coordinates(split).sum() > shapely.get_num_coordinates(shapes).sum()
