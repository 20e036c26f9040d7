from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import ndimage

from sarseg.vectors.rows import NO_CLASS
from sarseg.vectors.sieve import Rule, sieved
from tests.vectors.maps import blocky

Raster = NDArray[np.int32]
RULES: list[Rule] = ["border", "area"]

rasters = arrays(
    np.int32,
    array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.integers(-1, 3),
    fill=st.nothing(),
)


def whole(
    raster: Raster,
    minimum: float,
    rule: Rule = "border",
    pixels: NDArray[np.float64] | None = None,
    block: int = 100,
) -> Raster:
    """``raster`` sieved, where ``pixels`` are the areas of its pixels, 1 if None."""
    each = np.ones(raster.shape) if pixels is None else pixels
    sums = np.pad(np.cumsum(each, axis=1), ((0, 0), (1, 0)))
    blocks = iter([raster[row : row + block] for row in range(0, len(raster), block)])
    given_rows = sieved(
        blocks, raster.shape[1], minimum, lambda first, end: sums[first:end].copy(), rule
    )
    return np.concatenate(list(given_rows))


def regions(raster: Raster) -> NDArray[np.int64]:
    """Numbers (H, W) of the 4-connected regions in the order of their first pixels; -1: none."""
    numbers = np.full(raster.shape, -1)
    for class_id in np.unique(raster[raster != NO_CLASS]):
        labels, _ = ndimage.label(raster == class_id)
        numbers[labels > 0] = labels[labels > 0] * 1000 + class_id
    found, first = np.unique(numbers[numbers >= 0], return_index=True)
    order = {number: place for place, number in enumerate(found[np.argsort(first)])}
    return np.array([[order.get(number, -1) for number in row] for row in numbers])


def pairs(numbers: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """The regions on both sides of every pixel edge between two of them, both ways round."""
    for one, other in ((numbers[:, :-1], numbers[:, 1:]), (numbers[:-1], numbers[1:])):
        apart = (one != other) & (one >= 0) & (other >= 0)
        for a, b in zip(one[apart].tolist(), other[apart].tolist(), strict=True):
            yield a, b
            yield b, a


def by_hand(raster: Raster, minimum: float, rule: Rule, pixels: NDArray[np.float64]) -> Raster:
    """What ``sieved`` says, one pixel and one region at a time."""
    raster = raster.copy()
    while True:
        numbers = regions(raster)
        count = numbers.max(initial=-1) + 1
        area = [pixels[numbers == number].sum() for number in range(count)]
        class_ids = [int(raster[numbers == number][0]) for number in range(count)]
        borders: defaultdict[int, Counter[int]] = defaultdict(Counter)
        for one, other in pairs(numbers):
            borders[one][other] += 1
        together = {number: {number} for number in range(count)}
        slivers = [number for number in sorted(borders) if area[number] < minimum]
        if not slivers:
            return raster
        for sliver in slivers:
            ranks = [
                (
                    *((-length, -area[other]) if rule == "border" else (-area[other], -length)),
                    class_ids[other],
                    other,
                )
                for other, length in borders[sliver].items()
            ]
            joined = together[sliver] | together[min(ranks)[-1]]
            together |= dict.fromkeys(joined, joined)
        for number, members in together.items():
            largest = min(members, key=lambda member: (-area[member], class_ids[member], member))
            raster[numbers == number] = class_ids[largest]


@settings(deadline=None)  # the first call compiles
@given(
    raster=rasters,
    minimum=st.integers(0, 12),
    rule=st.sampled_from(RULES),
    block=st.integers(1, 10),
    seed=st.none() | st.integers(0, 99),
)
def test_agrees_with_the_same_done_by_hand(
    raster: Raster, minimum: int, rule: Rule, block: int, seed: int | None
) -> None:
    pixels = np.ones(raster.shape)
    if seed is not None:
        pixels = np.random.default_rng(seed).integers(1, 4, raster.shape).astype(np.float64)
    found = whole(raster, minimum, rule, pixels, block)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, by_hand(raster, minimum, rule, pixels))


@settings(deadline=None)
@given(raster=rasters, minimum=st.integers(0, 20), rule=st.sampled_from(RULES))
def test_what_stays_and_what_goes(raster: Raster, minimum: int, rule: Rule) -> None:
    found = whole(raster, minimum, rule)
    before, after = regions(raster), regions(found)

    np.testing.assert_array_equal(found == NO_CLASS, raster == NO_CLASS)
    large = np.bincount(before[before >= 0]) >= minimum
    kept = (before >= 0) & np.append(large, False)[before]
    np.testing.assert_array_equal(found[kept], raster[kept])
    left = np.flatnonzero(np.bincount(after[after >= 0]) < minimum)
    assert not set(left) & {one for one, _ in pairs(after)}
    assert set(np.unique(found)) <= set(np.unique(raster))
    np.testing.assert_array_equal(whole(found, minimum, rule), found)


@settings(deadline=None)
@given(raster=rasters, rule=st.sampled_from(RULES), seed=st.integers(0, 2**32 - 1))
def test_a_turned_or_mirrored_raster_gives_the_turned_or_mirrored_result(
    raster: Raster, rule: Rule, seed: int
) -> None:
    # Whole numbers, whose sums are exact; so large that hardly any two regions have equal areas.
    pixels = np.random.default_rng(seed).integers(2**38, 2**39, raster.shape).astype(np.float64)
    minimum = 6 * 2.0**38
    expected = whole(raster, minimum, rule, pixels)
    for turns in range(4):
        for flip in (np.asarray, np.fliplr):
            found = whole(
                flip(np.rot90(raster, turns)), minimum, rule, flip(np.rot90(pixels, turns))
            )
            np.testing.assert_array_equal(found, flip(np.rot90(expected, turns)))


@pytest.mark.parametrize("rule", RULES)
def test_a_map_higher_than_a_block(rule: Rule) -> None:
    raster = blocky(540, 70).astype(np.int32)
    pixels = np.ones(raster.shape)
    found = whole(raster, 12, rule, block=101)
    np.testing.assert_array_equal(found, by_hand(raster, 12, rule, pixels))
    assert (found != raster).any()


def test_slivers_go_to_the_longest_border_or_to_the_largest_neighbour() -> None:
    raster = np.full((6, 9), 1, np.int32)
    raster[:, 6:] = 2  # smaller than 1
    raster[1:5, 5] = 2
    raster[2:4, 5] = 3  # four edges with 2, two with 1
    border, area = raster.copy(), raster.copy()
    border[raster == 3] = 2
    area[raster == 3] = 1
    np.testing.assert_array_equal(whole(raster, 3, "border"), border)
    np.testing.assert_array_equal(whole(raster, 3, "area"), area)


def test_a_cluster_of_slivers_grows_together_and_takes_the_class_of_its_largest() -> None:
    raster = np.array([[NO_CLASS, 1, 1, 2, 2], [NO_CLASS, 1, 3, 3, 2]], np.int32)
    raster[0, 0] = 1  # four pixels, beside three and two
    assert whole(raster, 9).tolist() == [[1, 1, 1, 1, 1], [NO_CLASS, 1, 1, 1, 1]]


def test_a_sliver_alone_among_pixels_without_class_stays() -> None:
    raster = np.full((5, 5), NO_CLASS, np.int32)
    raster[2, 2] = 4
    raster[0] = 1
    np.testing.assert_array_equal(whole(raster, 10), raster)


def test_neighbours_at_a_corner_are_none() -> None:
    raster = np.array([[1, NO_CLASS], [NO_CLASS, 2]], np.int32)
    np.testing.assert_array_equal(whole(raster, 4), raster)


def test_last_digits_of_an_area_make_no_sliver() -> None:
    raster = np.ones((10, 10), np.int32)
    raster[:5, :5] = 2
    pixels = np.full(raster.shape, 100 * (1 - 1e-9))
    np.testing.assert_array_equal(whole(raster, 2500, "border", pixels), raster)
    assert (whole(raster, 2501, "border", pixels) == 1).all()


@pytest.mark.parametrize("rule", RULES)
def test_regions_of_unknown_area_stay_and_take_slivers(rule: Rule) -> None:
    raster = np.array([[1, 1, 1, 1, 2, 3, 3, 3]], np.int32)
    pixels = np.array([[1.0, 1, 1, 1, 1, 1, 1, np.nan]])
    found = whole(raster, 4, rule, pixels)
    assert found.tolist() == [[1, 1, 1, 1, 3, 3, 3, 3]]


def test_any_class_id_will_do() -> None:
    far = 2**31 - 1
    raster = np.full((4, 4), far, np.int32)
    raster[1, 1] = 70_000
    assert (whole(raster, 2) == far).all()


def test_empty_rasters() -> None:
    none = np.full((3, 4), NO_CLASS, np.int32)
    np.testing.assert_array_equal(whole(none, 5), none)
    assert list(sieved(iter([]), 4, 5, lambda first, end: np.zeros((end - first, 5)))) == []
