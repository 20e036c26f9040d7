"""What is asked of every speckle filter of one scene."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from sarseg.filters.despeckle import DESPECKLE_FILTERS, Despeckle, Lee, SpeckleFilter
from tests.rasters import speckle

EVERY = pytest.mark.parametrize("name", DESPECKLE_FILTERS)

SMALL: dict[str, dict[str, Any]] = {
    "non-local-means": {"size": 7, "patch": 3},
    "refined-lee": {},  # its size is fixed
}
"""Settings other than 5 x 5 pixels for the sake of speed."""


def small(name: str, looks: float = 3.0) -> SpeckleFilter:
    return DESPECKLE_FILTERS[name](looks=looks, **SMALL.get(name, {"size": 5}))


def homogeneous(looks: float) -> NDArray[np.float32]:
    values = np.random.default_rng(0).gamma(looks, 0.1 / looks, (1, 200, 200))
    return values.astype(np.float32)


@st.composite
def scenes_and_windows(
    draw: st.DrawFn,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], tuple[slice, slice]]:
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    looks = rng.uniform(0.5, 20.0)
    values = rng.gamma(looks, 0.1 / looks, (2, height, width)).astype(np.float32)
    values[rng.random(values.shape) < draw(st.sampled_from([0.0, 0.01]))] = 1e5
    valid = rng.random((height, width)) >= draw(st.sampled_from([0.0, 0.1, 0.9]))
    values[:, ~valid] = np.nan
    row, col = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    rows = slice(row, draw(st.integers(row + 1, height)))
    cols = slice(col, draw(st.integers(col + 1, width)))
    return values, valid, (rows, cols)


@EVERY
@settings(max_examples=100, deadline=None)
@given(drawn=scenes_and_windows(), looks=st.sampled_from([0.8, 3.0, 20.0]))
def test_a_filtered_window_is_the_window_of_the_filtered_whole(
    name: str,
    drawn: tuple[NDArray[np.float32], NDArray[np.bool_], tuple[slice, slice]],
    looks: float,
) -> None:
    values, valid, (rows, cols) = drawn
    despeckle = small(name, looks)
    top, left = max(rows.start - despeckle.margin, 0), max(cols.start - despeckle.margin, 0)
    source = np.s_[top : rows.stop + despeckle.margin, left : cols.stop + despeckle.margin]
    part = despeckle(values[:, *source], valid[source])
    part = part[:, rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
    whole = despeckle(values, valid)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(part, whole[:, rows, cols], rtol=1e-6)


@EVERY
@settings(max_examples=50, deadline=None)
@given(drawn=scenes_and_windows(), looks=st.sampled_from([0.8, 3.0, 20.0]))
def test_torch_gives_the_same(
    name: str,
    drawn: tuple[NDArray[np.float32], NDArray[np.bool_], tuple[slice, slice]],
    looks: float,
) -> None:
    values, valid, _ = drawn
    despeckle = small(name, looks)
    by_torch = despeckle._on_device(values, valid, looks, "cpu")
    np.testing.assert_allclose(by_torch, despeckle(values, valid), rtol=1e-5)


@EVERY
def test_a_large_scene_shared_out_among_threads_is_filtered_as_its_parts_are(name: str) -> None:
    values, valid = speckle(1, 300, 700), speckle(300, 700, seed=1) > 0.005
    despeckle = small(name)
    whole = despeckle(values, valid)
    for row, col in [(0, 0), (135, 500), (260, 660)]:
        rows, cols = slice(max(row - 20, 0), row + 40), slice(max(col - 20, 0), col + 40)
        part = despeckle(values[:, rows, cols], valid[rows, cols])
        inner = part[:, row - rows.start :, col - cols.start :][:, :20, :20]
        np.testing.assert_allclose(inner, whole[:, row : row + 20, col : col + 20], rtol=1e-6)


@EVERY
def test_invalid_pixels_pass_through_and_touch_nothing(name: str) -> None:
    values = speckle(1, 20, 20)
    valid = np.ones((20, 20), bool)
    valid[5:9, 5:9] = False
    spoilt = values.copy()
    spoilt[0, 5:9, 5:9] = [np.nan, np.inf, -1.0, 1e30]
    found = small(name)(spoilt, valid)
    np.testing.assert_array_equal(small(name)(values, valid)[0][valid], found[0][valid])
    np.testing.assert_array_equal(found[0][~valid], spoilt[0][~valid])


@EVERY
def test_a_bright_target_changes_nothing_beyond_its_reach(name: str) -> None:
    despeckle = small(name)
    values, valid = speckle(1, 21, 60), np.ones((21, 60), bool)
    bright = values.copy()
    bright[0, 10, 5] = 1e12
    first = 6 + despeckle.margin
    found = despeckle(bright, valid)[..., first:]
    np.testing.assert_array_equal(found, despeckle(values, valid)[..., first:])


@EVERY
@pytest.mark.parametrize("value", [0.0, 1e-30, 0.1, 1e30])
def test_a_constant_stays_as_it_is(name: str, value: float) -> None:
    values = np.full((1, 12, 12), value, np.float32)
    found = small(name)(values, np.ones((12, 12), bool))
    np.testing.assert_allclose(found, values, rtol=1e-6, atol=0.0)


@EVERY
def test_a_scene_without_valid_pixels_passes_through(name: str) -> None:
    values = np.full((2, 9, 9), np.nan, np.float32)
    assert np.isnan(small(name)(values, np.zeros((9, 9), bool))).all()


@EVERY
@pytest.mark.parametrize("looks", [1.0, 4.4])
def test_smooths_homogeneous_speckle_but_keeps_its_mean(name: str, looks: float) -> None:
    values = homogeneous(looks)
    found = DESPECKLE_FILTERS[name](looks=looks)(values, np.ones((200, 200), bool))
    # The most probable value lies below the mean: by 4 % with one look and 49 pixels.
    tolerance = 0.05 if (name, looks) == ("gamma-map", 1.0) else 0.02
    assert found.mean() == pytest.approx(values.mean(), rel=tolerance)
    assert (found.mean() / found.std()) ** 2 > 3.0 * looks


@EVERY
def test_leaves_its_input_alone_and_takes_any_memory_layout(name: str) -> None:
    values, valid = speckle(2, 15, 11), speckle(15, 11, seed=1) > 0.02
    before = values.copy()
    found = small(name)(values, valid)
    np.testing.assert_array_equal(values, before)
    turned = np.asfortranarray(values)
    turned.flags.writeable = False
    np.testing.assert_array_equal(small(name)(turned, np.asfortranarray(valid)), found)


@EVERY
def test_looks_have_to_be_known(name: str) -> None:
    unknown = DESPECKLE_FILTERS[name](looks=None)
    values, valid = speckle(1, 8, 8), np.ones((8, 8), bool)
    with pytest.raises(ValueError, match=f"looks of the {name} filter"):
        unknown(values, valid)
    known = unknown.with_looks(3.0)
    assert known == DESPECKLE_FILTERS[name](looks=3.0)
    known(values, valid)
    with pytest.raises(ValidationError):
        unknown.with_looks(0.0)


@EVERY
def test_is_told_apart_by_its_name_in_json(name: str) -> None:
    adapter: TypeAdapter[SpeckleFilter] = TypeAdapter(Despeckle)
    assert adapter.validate_json(f'{{"name": "{name}"}}') == DESPECKLE_FILTERS[name]()
    changed = small(name)
    assert adapter.validate_json(changed.model_dump_json()) == changed


def test_the_shipped_models_filter_stays_readable() -> None:
    adapter: TypeAdapter[SpeckleFilter] = TypeAdapter(Despeckle)
    stored = '{"name": "lee", "size": 5, "looks": 4.0}'
    assert adapter.validate_json(stored) == Lee(size=5, looks=4.0)


@EVERY
@pytest.mark.parametrize(
    "wrong",
    [{"size": 4}, {"size": 0}, {"size": 103}, {"looks": 0.0}, {"looks": np.inf}, {"sise": 5}],
)
def test_impossible_settings_are_refused(name: str, wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        DESPECKLE_FILTERS[name](**wrong)


@pytest.mark.parametrize("name", ["enhanced-lee", "frost", "enhanced-frost"])
@pytest.mark.parametrize("damping", [0.0, -1.0, np.nan])
def test_impossible_damping_is_refused(name: str, damping: float) -> None:
    with pytest.raises(ValidationError):
        DESPECKLE_FILTERS[name](damping=damping)
