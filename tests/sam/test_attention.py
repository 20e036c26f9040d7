"""Both ways through SAM's attention give segment_anything's numbers, gradients and dtypes."""

from collections.abc import Callable
from copy import deepcopy
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sarseg.sam import attention
from sarseg.sam.attention import FusedAttention, attend_folded, attend_in_blocks
from sarseg.sam.package import image_encoder

DIM, HEADS = 24, 3


def pair(height: int, width: int, seed: int = 0) -> tuple[torch.nn.Module, FusedAttention]:
    """segment_anything's attention and ours, made for ``height`` x ``width``, same weights."""
    stock = image_encoder.Attention(DIM, HEADS, use_rel_pos=True, input_size=(height, width))
    ours = FusedAttention(DIM, HEADS, use_rel_pos=True, input_size=(height, width))
    generator = torch.Generator().manual_seed(seed)
    for parameter in stock.parameters():
        parameter.data.normal_(std=0.3, generator=generator)
    ours.load_state_dict(stock.state_dict(), strict=True)
    return stock, ours


def tokens(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, DIM, generator=torch.Generator().manual_seed(seed))


def slow_attention(layer: torch.nn.Module, x: Tensor, extra: Tensor) -> Tensor:
    """One query and one head at a time, in float64; the bias of ``extra`` is zero."""
    layer, x, extra = deepcopy(layer).double(), x.double(), extra.double()
    batch, height, width, _ = x.shape
    table_h = image_encoder.get_rel_pos(height, height, layer.rel_pos_h)
    table_w = image_encoder.get_rel_pos(width, width, layer.rel_pos_w)
    mixed = torch.empty_like(x)
    for b in range(batch):
        keys = torch.cat([x[b].reshape(-1, DIM), extra])
        _, key, value = layer.qkv(keys).reshape(-1, 3, HEADS, DIM // HEADS).unbind(1)
        query = layer.qkv(x[b])[..., :DIM].reshape(height, width, HEADS, DIM // HEADS)
        for row, column, head in product(range(height), range(width), range(HEADS)):
            q = query[row, column, head]
            bias = (table_h[row] @ q)[:, None] + (table_w[column] @ q)[None, :]
            bias = torch.cat([bias.flatten(), torch.zeros(len(extra), dtype=x.dtype)])
            weights = (layer.scale * key[:, head] @ q + bias).softmax(0)
            part = slice(head * DIM // HEADS, (head + 1) * DIM // HEADS)
            mixed[b, row, column, part] = weights @ value[:, head]
    return layer.proj(mixed)


@pytest.fixture(params=["in one block", "by heads", "by rows", "folded"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How attention is computed: blocks of several sizes, and what other devices than CPUs get."""
    if request.param == "folded":
        monkeypatch.setattr(attention, "attend_in_blocks", attend_folded)
    sizes = {"by heads": 2 * (5 * 4) ** 2, "by rows": 2 * 4 * (5 * 4)}  # for a map of 5 x 4
    monkeypatch.setattr(attention, "_BLOCK_SCORES", sizes.get(request.param, 2**20))
    return str(request.param)


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    made_for=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    batch=st.integers(1, 3),
    block=st.integers(1, 20_000),
)
@settings(max_examples=60, deadline=None)
@torch.inference_mode()
def test_any_map_and_block_size_gives_the_stock_numbers(
    size: tuple[int, int], made_for: tuple[int, int], batch: int, block: int
) -> None:
    stock, ours = pair(*made_for)
    x = tokens(batch, *size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "_BLOCK_SCORES", block)
        answer = ours(x)
    expected = stock(x)
    assert (answer - expected).abs().max() < 1e-5 * expected.abs().max()


@torch.inference_mode()
def test_every_way_gives_the_stock_numbers(way: str) -> None:
    stock, ours = pair(5, 4)
    x = tokens(2, 5, 4)
    expected = stock(x)
    assert (ours(x) - expected).abs().max() < 1e-5 * expected.abs().max()


@torch.inference_mode()
@pytest.mark.parametrize("number", [1, 6])
def test_extra_tokens_are_keys_and_values_without_a_place(way: str, number: int) -> None:
    stock, ours = pair(5, 4)
    x, extra = tokens(2, 5, 4), tokens(number, seed=1)
    expected = slow_attention(stock, x, extra)
    assert (ours(x, extra) - expected).abs().max() < 1e-5 * expected.abs().max()


def gradients(run: Callable[[Tensor], Tensor], layer: torch.nn.Module, x: Tensor) -> list[Tensor]:
    argument = x.clone().requires_grad_()
    run(argument).square().sum().backward()
    found = [argument.grad, *(parameter.grad for _, parameter in sorted(layer.named_parameters()))]
    assert all(gradient is not None for gradient in found)
    return [gradient for gradient in found if gradient is not None]


def test_gradients_are_the_stock_ones(way: str) -> None:
    stock, ours = pair(5, 4)
    x = tokens(2, 5, 4)
    expected = gradients(stock, stock, x)
    torch.testing.assert_close(gradients(ours, ours, x), expected, rtol=1e-3, atol=1e-3)


def test_gradients_survive_checkpointing(way: str) -> None:
    stock, ours = pair(5, 4)
    x = tokens(2, 5, 4)
    expected = gradients(stock, stock, x)
    found = gradients(lambda a: checkpoint(ours, a, use_reentrant=False), ours, x)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_gradients_reach_the_extra_tokens(way: str) -> None:
    _, ours = pair(5, 4)
    extra = tokens(3).requires_grad_()
    ours(tokens(2, 5, 4), extra).square().sum().backward()
    assert extra.grad is not None
    assert extra.grad.abs().min() > 0


@pytest.mark.parametrize("training", [False, True])
def test_autocast_rounds_less_than_the_stock_attention(way: str, training: bool) -> None:
    stock, ours = pair(5, 4)
    x = tokens(8, 5, 4)
    exact = stock(x)
    with torch.set_grad_enabled(training), torch.autocast("cpu", torch.bfloat16):
        answer, rounded = ours(x), stock(x)
    assert answer.dtype is torch.bfloat16
    assert (answer - exact).abs().mean() < 0.9 * (rounded - exact).abs().mean()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@torch.inference_mode()
def test_the_dtype_of_the_weights_is_kept(way: str, dtype: torch.dtype) -> None:
    stock, ours = (layer.to(dtype) for layer in pair(5, 4))
    x = tokens(2, 5, 4).to(dtype)
    answer = ours(x, tokens(1).to(dtype))
    assert answer.dtype is dtype
    tolerance = 1e-12 if dtype is torch.float64 else 0.05
    torch.testing.assert_close(ours(x), stock(x), rtol=tolerance, atol=tolerance)


def test_shapes_are_known_without_data() -> None:
    with torch.device("meta"):
        _, ours = pair(14, 14)
        answer = ours(torch.empty(4, 14, 14, DIM), torch.empty(8, DIM))
    assert answer.shape == (4, 14, 14, DIM)


@torch.inference_mode()
def test_the_graph_is_captured_whole() -> None:
    _, ours = pair(5, 4)
    x, extra = tokens(2, 5, 4), tokens(3)
    captured = torch.export.export(ours, (x, extra)).module()
    torch.testing.assert_close(captured(x, extra), ours(x, extra))


def test_both_ways_are_the_same_function() -> None:
    parts = [torch.randn(6, 5, 4, 8), torch.randn(6, 23, 8), torch.randn(6, 23, 8)]
    parts += [torch.randn(6, 5, 4, 5), torch.randn(6, 5, 4, 4)]
    torch.testing.assert_close(attend_in_blocks(*parts), attend_folded(*parts))


@settings(deadline=None, max_examples=30)
@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    batch=st.integers(1, 3),
    extra=st.integers(0, 3),
)
def test_weights_are_those_that_mix_the_values(
    height: int, width: int, batch: int, extra: int
) -> None:
    _, ours = pair(height, width)
    x = tokens(batch, height, width)
    further = tokens(extra, seed=1) if extra else None
    rows = list(ours.weights(x, further))
    assert [row.shape for row in rows] == [(batch, HEADS, width, height * width + extra)] * height
    weights = torch.stack(rows, dim=2)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(batch, HEADS, height, width))
    values = [ours.qkv(x).flatten(1, 2)]
    if further is not None:
        values.append(ours.qkv(further).expand(batch, -1, -1))
    value = torch.cat(values, dim=1)[..., 2 * DIM :].unflatten(-1, (HEADS, -1))
    mixed = torch.einsum("bhrwm,bmhd->brwhd", weights, value).flatten(3)
    torch.testing.assert_close(ours.proj(mixed), ours(x, further), rtol=1e-4, atol=1e-5)
