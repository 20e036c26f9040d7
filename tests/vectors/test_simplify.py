import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sarseg.vectors.polygonise import polygonise
from sarseg.vectors.regions import Geometries, Outlines
from sarseg.vectors.simplify import simplified
from sarseg.vectors.smooth import smoothed
from tests.vectors.maps import blocky

MAPS = arrays(
    np.int32, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(-1, 3)
).filter(lambda classes: (classes >= 0).any())


def outlines_of(classes: NDArray[np.int32]) -> tuple[NDArray[np.int64], Outlines]:
    (regions,) = polygonise(iter([classes]), classes.shape[1])
    return regions.class_ids, regions.outlines


def fields(side: int) -> NDArray[np.int32]:
    """Winding borders between five classes."""
    noise = np.random.default_rng(0).standard_normal((5, side, side))
    return gaussian_filter(noise, (0, 6, 6)).argmax(axis=0).astype(np.int32)


def with_lakes(classes: NDArray[np.int32]) -> NDArray[np.int32]:
    """``classes`` with round parts that have none."""
    noise = np.random.default_rng(1).standard_normal(classes.shape)
    return np.where(gaussian_filter(noise, 12) > 0.02, np.int32(-1), classes)


def vertices(geometries: Geometries) -> int:
    return int(shapely.get_num_coordinates(geometries).sum())


def check(new: Geometries, old: Geometries) -> None:
    """``new`` are as many polygons, a valid coverage of the same ground, with old vertices only."""
    assert len(new) == len(old)
    assert (shapely.get_type_id(new) == shapely.GeometryType.POLYGON).all()
    assert shapely.is_valid(new).all()
    assert (shapely.area(new) > 0).all()
    assert shapely.coverage_is_valid(new)
    assert shapely.area(new).sum() == pytest.approx(shapely.area(old).sum(), rel=1e-12)
    assert shapely.equals(shapely.union_all(new), shapely.union_all(old))
    assert not shapely.is_ccw(shapely.get_exterior_ring(new)).any()  # rows count downwards
    kept = {tuple(vertex) for vertex in shapely.get_coordinates(new)}
    assert kept <= {tuple(vertex) for vertex in shapely.get_coordinates(old)}


@settings(deadline=None)  # the first call compiles
@given(classes=MAPS, tolerance=st.sampled_from([0.3, 0.5, 0.75, 1, 2, 20]), smooth=st.booleans())
def test_any_small_map_remains_a_valid_coverage_of_the_same_ground(
    classes: NDArray[np.int32], tolerance: float, smooth: bool
) -> None:
    """Diagonal contacts, holes that touch their shell, single pixels, nothing in between."""
    _, outlines = outlines_of(classes)
    old = smoothed(outlines).geometries() if smooth else outlines.geometries()
    check(simplified(old, tolerance), old)


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("tolerance", [1, 4, 100])
def test_maps_like_real_ones(tolerance: float, smooth: bool) -> None:
    _, outlines = outlines_of(with_lakes(fields(200)))
    old = smoothed(outlines).geometries() if smooth else outlines.geometries()
    check(simplified(old, tolerance), old)


def test_at_one_pixel_half_the_vertices_go_and_no_class() -> None:
    class_ids, outlines = outlines_of(fields(300))
    old = outlines.geometries()
    new = simplified(old, 1)
    assert vertices(new) <= vertices(old) / 2
    for class_id in np.unique(class_ids):
        before, after = (shapely.area(shapes[class_ids == class_id]).sum() for shapes in (old, new))
        assert after == pytest.approx(before, rel=0.02)


def test_a_higher_tolerance_leaves_fewer_vertices_and_none_leaves_all() -> None:
    _, outlines = outlines_of(blocky(80, 90).astype(np.int32))
    old = outlines.geometries()
    numbers = [vertices(simplified(old, tolerance)) for tolerance in (0, 1, 3, 6)]
    assert numbers[0] == vertices(old)
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == len(numbers)


def test_what_is_left_out_is_smaller_than_the_tolerance_squared() -> None:
    """A step of a border four pixels long makes two triangles of two pixels at first."""
    classes = np.zeros((2, 8), np.int32)
    classes[1] = 1
    classes[0, 4:] = 1
    _, outlines = outlines_of(classes)
    old = outlines.geometries()
    assert vertices(simplified(old, np.sqrt(2) - 1e-6)) == vertices(old)
    assert vertices(simplified(old, np.sqrt(2))) < vertices(old)


def test_pixels_need_not_be_square() -> None:
    """The tolerance is an area: a pixel of 8 by 2 metres is as large as one of 4 by 4."""
    _, outlines = outlines_of(fields(120))
    old = outlines.geometries()
    stretched = shapely.transform(old, lambda corners: corners * [8, 2])
    expected = shapely.transform(simplified(old, 1.5), lambda corners: corners * [8, 2])
    assert shapely.equals(simplified(stretched, 1.5 * 4), expected).all()


def test_the_order_of_polygons_decides_nothing() -> None:
    _, outlines = outlines_of(fields(120))
    geometries = outlines.geometries()
    shuffled = np.random.default_rng(0).permutation(len(geometries))
    simple = simplified(geometries, 1.0)
    again = np.empty_like(simple)
    again[shuffled] = simplified(geometries[shuffled], 1.0)
    assert (shapely.to_wkb(again) == shapely.to_wkb(simple)).all()
