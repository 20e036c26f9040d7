import numpy as np
import pytest
import shapely

from sarseg.vectors.outlines import split_edges


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
