"""The loss is smallest at the expectation, whatever the speckle."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.pretraining.objective import log_window_mean, speckle_loss

SHAPE = (1, 1, 64, 64)
ALL = torch.ones(SHAPE, dtype=torch.bool)


@settings(deadline=None, max_examples=30)
@given(looks=st.floats(0.5, 16), log_mean=st.floats(-6, 6), off=st.floats(0.05, 3))
def test_it_is_smallest_at_the_mean(looks: float, log_mean: float, off: float) -> None:
    drawn = np.random.default_rng(0).gamma(looks, np.exp(log_mean) / looks, SHAPE)
    intensity = torch.from_numpy(drawn).float()
    best = intensity.mean().log().expand(SHAPE)
    at_best = speckle_loss(best, intensity, ALL)
    assert at_best < speckle_loss(best + off, intensity, ALL)
    assert at_best < speckle_loss(best - off, intensity, ALL)
    assert at_best == pytest.approx(1 + float(best.mean()), abs=1e-3)


def test_its_gradient_is_zero_at_the_mean_and_bounded_far_off() -> None:
    intensity = torch.rand(SHAPE) + 0.1
    guess = intensity.mean().log().expand(SHAPE).clone().requires_grad_()
    speckle_loss(guess, intensity, ALL).backward()
    assert guess.grad is not None
    assert abs(float(guess.grad.sum())) < 1e-5
    assert torch.isfinite(speckle_loss(torch.full(SHAPE, -1e4), intensity, ALL))


def test_only_what_is_counted_counts() -> None:
    counted = torch.zeros(SHAPE, dtype=torch.bool)
    counted[..., :3] = True
    intensity = torch.rand(SHAPE)
    other = torch.where(counted, intensity, 1e6)
    guess = torch.zeros(SHAPE)
    assert speckle_loss(guess, intensity, counted) == speckle_loss(guess, other, counted)
    assert speckle_loss(guess, intensity, torch.zeros_like(counted)) == 0


def test_the_mean_of_each_window() -> None:
    intensity = torch.tensor([[[[1.0, 3.0]], [[8.0, 5.0]]]])
    counted = torch.tensor([[[[True, True]], [[True, False]]]])
    expected = torch.tensor([2.0, 8.0]).log().reshape(1, 2, 1, 1)
    torch.testing.assert_close(log_window_mean(intensity, counted), expected)
    assert (log_window_mean(intensity, torch.zeros_like(counted)) == 0).all()
