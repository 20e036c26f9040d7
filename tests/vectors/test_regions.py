"""Polygons as arrays, beside the same as shapely's objects."""

from typing import Any

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sarseg.vectors.formats.features import Features
from sarseg.vectors.formats.wkb import well_known_binary
from sarseg.vectors.regions import Polygons


@st.composite
def shapes(draw: st.DrawFn) -> NDArray[Any]:
    """Discs of various numbers of corners, some with holes, in which others lie."""
    found = []
    for number in range(draw(st.integers(1, 8))):
        sides, holes = draw(st.integers(1, 4)), draw(st.integers(0, 3))
        shape = shapely.Point(1000.5 * number, -7e6).buffer(300, quad_segs=sides)
        for hole in range(holes):
            inner = shapely.Point(1000.5 * number + 50 * hole - 50, -7e6)
            shape = shape.difference(inner.buffer(20, quad_segs=sides))
        found.append(shape)
    return np.array(found, object)


def same(found: Polygons, expected: NDArray[Any]) -> bool:
    """In every vertex and its order."""
    if not len(expected):
        return len(found) == 0
    return bool(shapely.equals_exact(found.geometries(), expected, 0).all())


@given(shapes=shapes(), first=st.integers(0, 9), end=st.integers(0, 9))
def test_parts_are_those_of_shapely(shapes: NDArray[Any], first: int, end: int) -> None:
    polygons = Polygons.of(shapes)
    assert len(polygons) == len(shapes)
    assert same(polygons, shapes)
    assert same(polygons[first:end], shapes[first:end])


@given(shapes=shapes(), data=st.data())
def test_any_can_be_taken_in_any_order(shapes: NDArray[Any], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(shapes) - 1)))
    assert same(Polygons.of(shapes).taken(np.array(rows, np.intp)), shapes[rows])


@given(parts=st.lists(shapes(), min_size=1, max_size=4))
def test_joined_are_one_after_the_other(parts: list[NDArray[Any]]) -> None:
    joined = Polygons.joined([Polygons.of(part) for part in parts])
    assert same(joined, np.concatenate(parts))


@settings(deadline=None)  # the first call compiles
@given(shapes=shapes())
def test_binary_is_that_of_geos(shapes: NDArray[Any]) -> None:
    found = well_known_binary(Polygons.of(shapes)).to_pylist()
    assert found == shapely.to_wkb(shapes, byte_order=1, flavor="iso").tolist()
    assert well_known_binary(Polygons.of(shapes)[:0]).to_pylist() == []


@settings(deadline=None)
@given(shapes=shapes(), data=st.data())
def test_rows_of_several_polygons_are_multipolygons(
    shapes: NDArray[Any], data: st.DataObject
) -> None:
    cuts = data.draw(st.sets(st.integers(1, max(len(shapes) - 1, 1))))
    parts = np.array(sorted({0, *cuts, len(shapes)}), np.int64)
    rows = [shapely.MultiPolygon(list(row)) for row in np.split(shapes, parts[1:-1])]
    features = Features(Polygons.of(shapes), {"id": np.arange(len(rows))}, parts)
    assert len(features) == len(rows)
    for first, end in (0, len(rows)), (1, len(rows)), (0, 1), (0, 0):
        part = features[first:end]
        found = well_known_binary(part.polygons, part.parts).to_pylist()
        assert found == [shapely.to_wkb(row, byte_order=1, flavor="iso") for row in rows[first:end]]
        assert part.fields["id"].tolist() == list(range(first, end))
        np.testing.assert_array_equal(part.bounds(), shapely.bounds(rows[first:end]).reshape(-1, 4))


@given(shapes=shapes())
def test_single_polygons_are_multipolygons_of_one(shapes: NDArray[Any]) -> None:
    single = Features(Polygons.of(shapes), {})
    np.testing.assert_array_equal(single.bounds(), shapely.bounds(shapes))
    multi = single.multi()
    assert multi.parts is not None
    assert multi.parts.tolist() == list(range(len(shapes) + 1))
    assert multi.multi().parts is multi.parts
