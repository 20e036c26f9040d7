import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sarseg.baselines.windows import Window, window_means, window_moments


@given(
    seed=st.integers(0, 2**32 - 1),
    bands=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    window=st.sampled_from([1, 3, 5, 11]),
    share=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
)
def test_moments_are_those_of_the_valid_pixels_in_each_window(
    seed: int, bands: int, height: int, width: int, window: int, share: float
) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(3.0, 2.0, (bands, height, width)).astype(np.float32)
    valid = generator.random((height, width)) >= share
    values[:, ~valid] = 0.0
    if bands > 1:
        values[0, 0, 0] = 0.0  # one band alone says nothing about validity
        valid[0, 0] = bool(values[:, 0, 0].any())
    means, variances = (found[0].numpy() for found in window_moments(_batch(values), window))
    half = window // 2
    for row in range(height):
        for column in range(width):
            rows = slice(max(row - half, 0), row + half + 1)
            columns = slice(max(column - half, 0), column + half + 1)
            inside = values[:, rows, columns][:, valid[rows, columns]].astype(np.float64)
            there = inside.shape[1] > 0
            mean = inside.mean(axis=1) if there else np.zeros(bands)
            variance = inside.var(axis=1) if there else np.zeros(bands)
            np.testing.assert_allclose(means[:, row, column], mean, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(variances[:, row, column], variance, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(window_means(_batch(values), window)[0].numpy(), means)


def test_a_bright_target_leaves_nothing_behind_it() -> None:
    values = np.random.default_rng(0).normal(size=(1, 4, 64)).astype(np.float32)
    with_target = values.copy()
    with_target[0, 1, 5] = 1e12
    before, after = (window_means(_batch(each), 9)[..., 10:] for each in (values, with_target))
    assert torch.equal(before, after)


def test_images_of_a_batch_have_their_own_statistics() -> None:
    values = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    values[1, :, :, :4] = 0.0
    alone = torch.cat([window_moments(each[None], 5)[1] for each in values])
    assert torch.equal(window_moments(values, 5)[1], alone)


@pytest.mark.parametrize("side", [0, -3, 4])
def test_a_window_has_a_pixel_in_its_middle(side: int) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Window).validate_python(side)


def _batch(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values)[None]
