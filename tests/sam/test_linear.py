"""The layer for token maps is a linear layer, whatever runs it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sarseg.sam.linear import TokenLinear


def pair(inputs: int, outputs: int, *, bias: bool = True) -> tuple[nn.Linear, TokenLinear]:
    torch.manual_seed(0)
    plain, ours = nn.Linear(inputs, outputs, bias=bias), TokenLinear(inputs, outputs, bias=bias)
    ours.load_state_dict(plain.state_dict(), strict=True)
    return plain, ours


@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    inputs=st.integers(1, 40),
    outputs=st.integers(1, 40),
    bias=st.booleans(),
)
@settings(max_examples=50, deadline=None)
@torch.inference_mode()
def test_any_shape_gives_what_linear_gives(
    shape: list[int], inputs: int, outputs: int, bias: bool
) -> None:
    plain, ours = pair(inputs, outputs, bias=bias)
    x = torch.randn(*shape, inputs)
    torch.testing.assert_close(ours(x), plain(x), rtol=1e-5, atol=1e-5)


def test_a_map_that_is_a_view_gives_what_linear_gives() -> None:
    plain, ours = pair(7, 5)
    x = torch.randn(2, 7, 4, 6).permute(0, 2, 3, 1)[:, 1:, ::2]
    torch.testing.assert_close(ours(x), plain(x), rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_linear() -> None:
    plain, ours = pair(24, 40)
    x = torch.randn(2, 5, 3, 24)
    gradients = []
    for layer in (plain, ours):
        argument = x.clone().requires_grad_()
        layer(argument).square().sum().backward()
        gradients.append([argument.grad, layer.weight.grad, layer.bias.grad])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="no oneDNN in this torch")
@torch.inference_mode()
def test_maps_go_through_a_convolution_and_are_not_copied() -> None:
    _, ours = pair(32, 64)
    with torch.profiler.profile() as profile:
        answer = ours(torch.randn(16, 8, 8, 32))  # fewer, torch may think too few
    ran = {event.key for event in profile.key_averages()}
    assert "aten::mkldnn_convolution" in ran
    assert not ran & {"aten::addmm", "aten::clone", "aten::copy_"}
    assert answer.is_contiguous()
