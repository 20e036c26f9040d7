"""Simulated patches: whether their truth is that of their pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.datasets.synthetic.randomised import CHANNELS, draw_patch
from sarseg.datasets.synthetic.randomised.parcels import boundaries, draw_parcels
from sarseg.datasets.synthetic.randomised.sensor import observed, with_floor
from sarseg.datasets.synthetic.randomised.signatures import draw_cover, texture_db

SEED = st.integers(0, 2**32 - 1)
SIZE = 96


@settings(max_examples=30, deadline=None)
@given(SEED)
def test_every_pixel_lies_in_one_of_several_parcels(seed: int) -> None:
    parcels = draw_parcels(SIZE, np.random.default_rng(seed))
    assert parcels.shape == (SIZE, SIZE)
    assert np.array_equal(np.unique(parcels), np.arange(parcels.max() + 1))


def test_boundaries_lie_on_both_sides_of_a_border() -> None:
    parcels = np.zeros((5, 6), np.int32)
    parcels[:, 3:] = 1
    expected = np.zeros((5, 6), np.bool_)
    expected[:, 2:4] = True
    assert np.array_equal(boundaries(parcels), expected)


@settings(max_examples=20, deadline=None)
@given(SEED)
def test_what_is_seen_is_scattered_about_the_level(seed: int) -> None:
    patch = draw_patch(seed, SIZE)
    assert patch.bands.shape == patch.level.shape == (CHANNELS, SIZE, SIZE)
    assert patch.texture.shape == patch.parcels.shape == patch.classes.shape == (SIZE, SIZE)
    assert np.isfinite(patch.bands).all()
    assert np.isfinite(patch.level).all()
    assert np.abs(patch.bands).max() <= 5
    assert (patch.texture >= 0).all()
    inside = np.abs(patch.level) < 4
    for band, level, within in zip(patch.bands, patch.level, inside, strict=True):
        if within.mean() > 0.5 and level[within].std() > 0.3:
            assert np.corrcoef(band[within], level[within])[0, 1] > 0.2


def test_a_parcel_has_one_class_and_patches_differ() -> None:
    one, again, other = draw_patch(7, SIZE), draw_patch(7, SIZE), draw_patch(8, SIZE)
    assert np.array_equal(one.bands, again.bands)
    assert not np.array_equal(one.bands, other.bands)
    for number in np.unique(one.parcels):
        assert len(np.unique(one.classes[one.parcels == number])) == 1


@pytest.mark.parametrize("seed", range(4))
def test_texture_has_the_strength_that_is_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parcels = np.zeros((256, 256), np.int32)
    parcels[:, 128:] = 1
    cover = draw_cover(2, CHANNELS, rng)
    drawn = texture_db(cover, parcels, rng)
    for number in range(2):
        told = cover.texture_db[number]
        assert drawn[parcels == number].std() == pytest.approx(told, rel=0.35, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_an_image_has_the_mean_of_what_is_there(seed: int) -> None:
    flat = np.full((CHANNELS, 192, 192), -12.0, np.float32)
    image, floor_db = observed(flat, np.random.default_rng(seed))
    mean_db = 10 * np.log10((10.0 ** (image / 10)).mean())
    # bright points of some images lie on top
    assert mean_db >= float(with_floor(flat, floor_db)[0, 0, 0]) - 0.1
    assert mean_db < -9.0


def test_a_floor_drowns_what_lies_below() -> None:
    levels = np.array([-40.0, -20.0, 0.0], np.float32)
    shown = with_floor(levels, -20.0)
    assert shown == pytest.approx([-19.957, -16.990, 0.0432], abs=1e-3)
