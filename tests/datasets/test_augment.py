"""What augmentation may do to a chip, and what it may not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from sarseg.datasets.augment import (
    NO_AUGMENTATION,
    Augmentation,
    drop_bands,
    shifted,
    speckled,
    turned,
)
from sarseg.datasets.sample import IGNORE, ChipData
from tests.rasters import speckle

KEEP = Augmentation(turns="none")
EVERYTHING: dict[str, Any] = {
    "turns": "all",
    "zoom": 1.6,
    "speckle_looks": (1.0, 4.0),
    "shift_db": 1.5,
    "band_dropout": 0.5,
}
AUXILIARY = (False, True, False)
BACKSCATTER = (True, False, True)  # as an index

SEEDS = st.integers(0, 2**32)


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def made_chip(side: int, seed: int, invalid: float = 0.2) -> ChipData:
    """Three bands, the middle one auxiliary and in part negative; five classes."""
    drawn = generator(seed)
    intensity = speckle(3, side, side, seed=seed)
    intensity[1] -= 0.1
    valid = drawn.random((side, side)) >= invalid
    labels = drawn.integers(0, 5, (side, side)).astype(np.uint8)
    labels[drawn.random((side, side)) < 0.1] = IGNORE
    return ChipData(np.where(valid, intensity, np.float32(0)), valid, labels)


def assert_same(first: ChipData, second: ChipData) -> None:
    for name in ("intensity", "valid", "labels"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


@st.composite
def augmentations(draw: st.DrawFn) -> Augmentation:
    looks = st.lists(st.sampled_from([0.7, 1.0, 4.0]), max_size=2)
    return Augmentation(
        turns=draw(st.sampled_from(["all", "keep-look", "none"])),
        zoom=draw(st.sampled_from([1.0, 1.1, 2.0, 7.0])),
        speckle_looks=tuple(draw(looks)),
        shift_db=draw(st.sampled_from([0.0, 2.0])),
        band_dropout=draw(st.sampled_from([0.0, 0.5, 1.0])),
    )


@settings(max_examples=80, deadline=None)
@given(augmentation=augmentations(), side=st.integers(1, 40), seed=SEEDS)
def test_a_chip_stays_a_chip(augmentation: Augmentation, side: int, seed: int) -> None:
    chip = made_chip(side, seed)
    given_chip = made_chip(side, seed)
    result = augmentation.of_chip(chip, AUXILIARY, generator(seed))
    assert_same(chip, given_chip)
    for name in ("intensity", "valid", "labels"):
        before, after = getattr(chip, name), getattr(result, name)
        assert (after.shape, after.dtype) == (before.shape, before.dtype)
        assert after.flags.c_contiguous
    assert set(np.unique(result.labels)) <= {*np.unique(chip.labels), IGNORE}
    assert np.isfinite(result.intensity).all()
    assert (result.intensity[BACKSCATTER, :, :] >= 0).all()
    assert not result.intensity[:, ~result.valid].any()
    bands = augmentation.of_bands(result.intensity, AUXILIARY, generator(seed))
    assert (bands.shape, bands.dtype) == (chip.intensity.shape, np.float32)


@settings(max_examples=40, deadline=None)
@given(augmentation=augmentations(), seed=SEEDS)
def test_the_generators_state_is_all_that_counts(augmentation: Augmentation, seed: int) -> None:
    chip = made_chip(16, seed)
    first = generator(seed)
    first.random(3)
    restored = np.random.Generator(np.random.PCG64())
    restored.bit_generator.state = first.bit_generator.state
    assert_same(
        augmentation.of_chip(chip, AUXILIARY, first),
        augmentation.of_chip(chip, AUXILIARY, restored),
    )
    np.testing.assert_array_equal(
        augmentation.of_bands(chip.intensity, AUXILIARY, first),
        augmentation.of_bands(chip.intensity, AUXILIARY, restored),
    )


def test_another_state_gives_another_chip() -> None:
    chip, augmentation, drawn = made_chip(16, 0), Augmentation(**EVERYTHING), generator(0)
    results = [augmentation.of_chip(chip, AUXILIARY, drawn).intensity.tobytes() for _ in range(20)]
    assert len(set(results)) == 20


def test_no_augmentation_changes_nothing() -> None:
    chip = made_chip(9, 1)
    assert_same(NO_AUGMENTATION.of_chip(chip, AUXILIARY, generator(0)), chip)
    np.testing.assert_array_equal(
        NO_AUGMENTATION.of_bands(chip.intensity, AUXILIARY, generator(0)), chip.intensity
    )


# What each kind of change does to a chip of its own, and nothing else does.
OFF: dict[str, Any] = KEEP.model_dump()


@pytest.mark.parametrize("off", ["zoom", "speckle_looks", "shift_db", "band_dropout"])
def test_switching_a_part_off_leaves_the_turns_as_they_were(off: str) -> None:
    chip = made_chip(8, 2, invalid=0)
    less = Augmentation(**{**EVERYTHING, "zoom": 1.0, "speckle_looks": (), off: OFF[off]})
    for seed in range(30):
        with_it = Augmentation().of_chip(chip, AUXILIARY, generator(seed))
        without = less.of_chip(chip, AUXILIARY, generator(seed))
        np.testing.assert_array_equal(with_it.labels, without.labels)


@pytest.mark.parametrize("off", ["turns", "speckle_looks", "shift_db", "band_dropout"])
def test_switching_a_part_off_leaves_the_zoom_as_it_was(off: str) -> None:
    """Flat labels that are marked in the middle: what is seen of them tells the magnification."""
    labels = np.zeros((32, 32), np.uint8)
    chip = ChipData(np.ones((3, 32, 32), np.float32), np.ones((32, 32), bool), labels)
    both, less = Augmentation(**EVERYTHING), Augmentation(**{**EVERYTHING, off: OFF[off]})
    seen = []
    for seed in range(30):
        with_it = both.of_chip(chip, AUXILIARY, generator(seed))
        without = less.of_chip(chip, AUXILIARY, generator(seed))
        np.testing.assert_array_equal(with_it.valid, without.valid)
        seen.append(with_it.valid.sum())
    assert len(set(seen)) > 5


@pytest.mark.parametrize("off", ["turns", "zoom", "shift_db", "band_dropout"])
def test_switching_a_part_off_leaves_the_speckle_as_it_was(off: str) -> None:
    chip = ChipData(
        np.ones((3, 16, 16), np.float32), np.ones((16, 16), bool), np.zeros((16, 16), np.uint8)
    )
    both = Augmentation(**{**EVERYTHING, "shift_db": 0.0 if off != "shift_db" else 1.0})
    less = Augmentation(**{**both.model_dump(), off: OFF[off]})
    for seed in range(30):
        with_it = both.of_chip(chip, AUXILIARY, generator(seed))
        without = less.of_chip(chip, AUXILIARY, generator(seed))
        common = with_it.valid & without.valid
        gain = with_it.intensity[:, common] / without.intensity[:, common]
        for band in gain:  # the noise is the same, so they differ by the band's shift at most
            np.testing.assert_allclose(band, band[0], rtol=1e-5)


@pytest.mark.parametrize("off", ["turns", "zoom", "speckle_looks", "band_dropout"])
def test_switching_a_part_off_leaves_the_shift_as_it_was(off: str) -> None:
    chip = ChipData(
        np.ones((3, 16, 16), np.float32), np.ones((16, 16), bool), np.zeros((16, 16), np.uint8)
    )
    quiet = {**EVERYTHING, "speckle_looks": (1e12,) if off == "speckle_looks" else ()}
    both, less = Augmentation(**quiet), Augmentation(**{**quiet, off: OFF[off]})
    for seed in range(30):
        with_it = both.of_chip(chip, AUXILIARY, generator(seed))
        without = less.of_chip(chip, AUXILIARY, generator(seed))
        np.testing.assert_allclose(
            with_it.intensity.max(axis=(1, 2)), without.intensity.max(axis=(1, 2)), rtol=1e-4
        )


@pytest.mark.parametrize("off", ["turns", "zoom", "speckle_looks", "shift_db"])
def test_switching_a_part_off_leaves_the_dropped_bands_as_they_were(off: str) -> None:
    bands = np.ones((3, 4, 4), np.float32)
    both, less = Augmentation(**EVERYTHING), Augmentation(**{**EVERYTHING, off: OFF[off]})
    chip = made_chip(4, 0)
    for seed in range(30):
        first, second = generator(seed), generator(seed)
        both.of_chip(chip, AUXILIARY, first)
        less.of_chip(chip, AUXILIARY, second)
        np.testing.assert_array_equal(
            both.of_bands(bands, AUXILIARY, first), less.of_bands(bands, AUXILIARY, second)
        )


def test_turns_are_the_group_of_the_square() -> None:
    square = np.arange(9).reshape(3, 3)
    results = {turned(square, number).tobytes(): number for number in range(8)}
    assert len(results) == 8
    np.testing.assert_array_equal(turned(square, 0), square)
    table = [
        [results[turned(turned(square, first), second).tobytes()] for second in range(8)]
        for first in range(8)
    ]
    for rows in (table, np.transpose(table)):  # each has an inverse, and they do not run together
        assert all(sorted(row) == list(range(8)) for row in rows)
    assert table != np.transpose(table).tolist()


@settings(max_examples=30, deadline=None)
@given(number=st.integers(0, 7), side=st.integers(1, 150), seed=SEEDS)
def test_every_plane_is_turned_as_a_whole(number: int, side: int, seed: int) -> None:
    """Also where it is larger than the blocks that it is turned in."""
    planes = generator(seed).random((2, side, side))
    result = turned(planes, number)
    for plane, after in zip(planes, result, strict=True):
        expected = np.rot90(plane, number % 4)
        np.testing.assert_array_equal(after, expected[::-1] if number >= 4 else expected)


@pytest.mark.parametrize(("turns", "count"), [("all", 8), ("keep-look", 2), ("none", 1)])
def test_turns_come_equally_often(turns: str, count: int) -> None:
    chip = made_chip(3, 5, invalid=0)
    augmentation, drawn = Augmentation.model_validate({"turns": turns}), generator(0)
    results = [augmentation.of_chip(chip, AUXILIARY, drawn) for _ in range(100 * count)]
    _, times = np.unique([each.intensity.tobytes() for each in results], return_counts=True)
    assert len(times) == count
    assert count == 1 or stats.chisquare(times).pvalue > 1e-4


@settings(max_examples=30, deadline=None)
@given(side=st.integers(2, 20), seed=SEEDS)
def test_keeping_the_look_direction_never_changes_columns(side: int, seed: int) -> None:
    chip = made_chip(side, seed)
    result = Augmentation(turns="keep-look").of_chip(chip, AUXILIARY, generator(seed))
    for name in ("intensity", "valid", "labels"):
        before, after = getattr(chip, name), getattr(result, name)
        np.testing.assert_array_equal(np.sort(after, axis=-2), np.sort(before, axis=-2))


@settings(max_examples=40, deadline=None)
@given(side=st.integers(4, 40), zoom=st.floats(1, 3), seed=SEEDS)
def test_bands_labels_and_validity_move_together(side: int, zoom: float, seed: int) -> None:
    """Each pixel's row and column written into two bands, its row into the labels."""
    rows, cols = np.mgrid[:side, :side]
    valid = generator(seed).random((side, side)) > 0.1
    positions = np.stack([rows, cols]).astype(np.float32) * valid
    chip = ChipData(positions, valid, rows.astype(np.uint8))
    result = Augmentation(zoom=zoom).of_chip(chip, (False, False), generator(seed))
    # Of the pixel that the centre lies in; a mean over what is valid within 1.5 * zoom of it.
    away = np.abs(result.intensity[0] - result.labels)[result.valid]
    assert (away <= 1.5 * zoom).all()
    row, col = np.rint(result.intensity[:, result.valid]).astype(int)
    assert ((row >= 0) & (row < side) & (col >= 0) & (col < side)).all()


@pytest.mark.parametrize("looks", [0.5, 1.0, 4.0, 9.3])
def test_speckle_has_mean_1_and_variance_1_over_looks(looks: float) -> None:
    flat = np.full((1, 400, 400), 3.0, np.float32)
    noise = speckled(flat, looks, generator(0)).astype(np.float64).ravel() / 3
    assert noise.mean() == pytest.approx(1, abs=5 / np.sqrt(looks * noise.size))
    assert noise.var() == pytest.approx(1 / looks, rel=0.03)
    fit = stats.kstest(noise[::16], stats.gamma(looks, scale=1 / looks).cdf)
    assert fit.pvalue > 1e-3


def test_speckle_is_independent_from_pixel_to_pixel_and_band_to_band() -> None:
    first, second = speckled(np.ones((2, 300, 300), np.float32), 1.0, generator(1)) - 1.0
    for other in (second, np.roll(first, 1, 0), np.roll(first, 1, 1)):
        assert abs((first * other).mean()) < 5 / 300


def test_speckle_upon_speckle_has_the_looks_that_the_docstring_says() -> None:
    once = speckled(np.ones((1, 500, 500), np.float32), 4.0, generator(2))
    twice = speckled(once, 3.0, generator(3))
    assert float(twice.mean() ** 2 / twice.var()) == pytest.approx(4 * 3 / (4 + 3 + 1), rel=0.03)


def test_a_chip_gets_no_speckle_or_that_of_one_of_the_looks() -> None:
    ones = ChipData(
        np.ones((3, 40, 40), np.float32), np.ones((40, 40), bool), np.zeros((40, 40), np.uint8)
    )
    augmentation, drawn = Augmentation(turns="none", speckle_looks=(1.0, 16.0)), generator(0)
    results = [augmentation.of_chip(ones, AUXILIARY, drawn).intensity for _ in range(300)]
    variances = np.array([each[BACKSCATTER, :, :].var() for each in results])
    kinds = [variances == 0, np.abs(variances - 1 / 16) < 0.02, np.abs(variances - 1) < 0.3]
    times = [kind.sum() for kind in kinds]
    assert sum(times) == 300
    assert stats.chisquare(times).pvalue > 1e-4
    assert all((each[1] == 1).all() for each in results)


def test_shifts_are_normal_in_db_and_each_bands_own() -> None:
    bands = np.full((4000, 2, 2), 0.5, np.float32)
    decibels = 10 * np.log10(shifted(bands, 2.0, generator(0)).astype(np.float64) / 0.5)
    np.testing.assert_allclose(decibels, decibels[:, :1, :1].repeat(2, 1).repeat(2, 2), atol=1e-5)
    assert stats.kstest(decibels[:, 0, 0], stats.norm(0, 2).cdf).pvalue > 1e-3


def test_shift_and_speckle_leave_auxiliary_bands_alone() -> None:
    chip = made_chip(20, 4)
    augmentation = Augmentation(turns="none", speckle_looks=(1.0,), shift_db=3.0)
    for seed in range(10):
        result = augmentation.of_chip(chip, AUXILIARY, generator(seed))
        np.testing.assert_array_equal(result.intensity[1], chip.intensity[1])
        assert (result.intensity[0] != chip.intensity[0]).any()


def test_only_auxiliary_bands_are_no_trouble() -> None:
    chip = made_chip(5, 0)
    everything = Augmentation(**{**EVERYTHING, "turns": "none", "zoom": 1.0})
    assert_same(everything.of_chip(chip, (True,) * 3, generator(0)), chip)
    left = everything.of_bands(chip.intensity, (True,) * 3, generator(0))
    np.testing.assert_array_equal(left, chip.intensity)


def test_the_largest_intensity_stays_finite() -> None:
    largest = np.full((1, 8, 8), np.finfo(np.float32).max)
    assert np.isfinite(speckled(largest, 1.0, generator(0))).all()
    assert np.isfinite(shifted(largest, 5.0, generator(1))).all()


def test_dropping_leaves_one_backscatter_band_and_all_auxiliary_ones() -> None:
    bands = np.ones((4, 2, 2), np.float32)
    drawn = generator(0)
    kept = []
    for _ in range(600):
        left = drop_bands(bands, (False, True, False, False), 0.5, drawn)
        assert (left == left[:, :1, :1]).all()
        assert left[1].all()
        kept.append(tuple(np.flatnonzero(left[:, 0, 0])))
    assert bands.all()
    whole = kept.count((0, 1, 2, 3))
    assert stats.binomtest(whole, 600).pvalue > 1e-4
    lone = [kept.count(each) for each in ((0, 1), (1, 2), (1, 3))]
    assert sum(lone) + whole == 600
    assert stats.chisquare(lone).pvalue > 1e-4


@pytest.mark.parametrize("auxiliary", [(False,), (False, True), (True, True)])
def test_a_lone_backscatter_band_is_never_dropped(auxiliary: tuple[bool, ...]) -> None:
    bands = np.ones((len(auxiliary), 2, 2), np.float32)
    for seed in range(20):
        assert drop_bands(bands, auxiliary, 1.0, generator(seed)).all()


@pytest.mark.parametrize(
    ("said", "looks"), [("1,4", (1, 4)), ("0.5", (0.5,)), (4, (4,)), ([1, 4], (1, 4)), ((), ())]
)
def test_looks_as_users_write_them(said: Any, looks: tuple[float, ...]) -> None:
    assert Augmentation.model_validate({"speckle_looks": said}).speckle_looks == looks


@pytest.mark.parametrize(
    "wrong",
    [
        {"turns": "some"},
        {"zoom": 0.9},
        {"zoom": float("inf")},
        {"speckle_looks": (0.0,)},
        {"speckle_looks": "1;4"},
        {"shift_db": -1.0},
        {"shift_db": float("nan")},
        {"band_dropout": 1.1},
        {"rotate": True},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Augmentation.model_validate(wrong)
