import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sarseg.filters.gaps import fill_gaps

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=20))


def numbers(*shape: int) -> np.ndarray:
    """No number twice, none of them 0."""
    return np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)


@settings(max_examples=200, deadline=None)
@given(valid=masks, garbage=st.sampled_from([np.nan, np.inf, -9999.0, 0.0]))
def test_valid_pixels_are_kept_and_nothing_else_is_used(valid: np.ndarray, garbage: float) -> None:
    bands = numbers(2, *valid.shape)
    given_bands = np.where(valid, bands, np.float32(garbage))
    before = given_bands.copy()
    filled = fill_gaps(given_bands, valid)
    np.testing.assert_array_equal(given_bands, before)
    np.testing.assert_array_equal(filled[:, valid], bands[:, valid])
    assert filled.dtype == np.float32
    assert filled.shape == bands.shape
    if valid.any():
        assert np.isin(filled[0], bands[0][valid]).all()
        # both bands from the same pixel
        np.testing.assert_array_equal(filled[1] - filled[0], bands[1] - bands[0])
    else:
        assert (filled == 0.0).all()


@settings(max_examples=100, deadline=None)
@given(valid=masks)
def test_each_pixel_mirrors_one_that_is_nearest(valid: np.ndarray) -> None:
    """Against all valid pixels that are nearest, of which any may be chosen."""
    bands = numbers(1, *valid.shape)
    filled = fill_gaps(bands, valid)[0]
    places = np.argwhere(valid)
    for place in np.argwhere(~valid) if len(places) else ():
        squared = ((places - place) ** 2).sum(axis=1)
        allowed = []
        for nearest in places[squared == squared.min()]:
            image = 2 * nearest - place
            inside = (image >= 0).all() and (image < valid.shape).all()
            source = image if inside and valid[tuple(image)] else nearest
            allowed.append(bands[0][tuple(source)])
        assert filled[tuple(place)] in allowed


@settings(max_examples=100, deadline=None)
@given(valid=masks)
def test_a_constant_stays_constant(valid: np.ndarray) -> None:
    valid.flat[0] = True
    filled = fill_gaps(np.where(valid, np.float32(0.3), np.float32(np.nan))[None], valid)
    assert (filled == np.float32(0.3)).all()


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize(("kept", "size"), [(20, 30), (20, 39), (1, 4), (29, 30)])
def test_beside_a_straight_edge_is_the_mirror_image(kept: int, size: int, turns: int) -> None:
    scene = numbers(2, 7, kept)
    expected = np.pad(scene, ((0, 0), (0, 0), (0, size - kept)), "reflect")
    valid = np.zeros((7, size), np.bool_)
    valid[:, :kept] = True
    bands = np.where(valid, expected, np.float32(np.nan))
    filled = fill_gaps(np.rot90(bands, turns, (1, 2)), np.rot90(valid, turns))
    np.testing.assert_array_equal(filled, np.rot90(expected, turns, (1, 2)))


def test_beyond_a_corner_it_is_mirrored_both_ways() -> None:
    scene = numbers(1, 10, 12)
    expected = np.pad(scene, ((0, 0), (5, 4), (6, 11)), "reflect")
    valid = np.pad(np.ones((10, 12), np.bool_), ((5, 4), (6, 11)))
    np.testing.assert_array_equal(fill_gaps(np.where(valid, expected, 0), valid), expected)


def test_beyond_the_mirror_image_the_edge_goes_on() -> None:
    bands = np.array([[[1, 2, 3, 0, 0, 0, 0, 0]]], np.float32)
    assert fill_gaps(bands, bands[0] > 0).tolist() == [[[1, 2, 3, 2, 1, 3, 3, 3]]]


def test_without_invalid_pixels_nothing_is_done() -> None:
    bands = numbers(2, 5, 6)
    assert fill_gaps(bands, np.ones((5, 6), np.bool_)) is bands
