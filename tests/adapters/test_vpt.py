"""Visual prompts: as if they stood before the tokens of every window, and left again after it."""

import math

import pytest
import torch
from torch import Tensor

from sarseg.adapters.vpt import PromptedBlock, Vpt
from sarseg.sam.encoder import ImageEncoder
from sarseg.sam.package import image_encoder
from tests.sam.test_encoder import SMALL, randomise


def prompted() -> ImageEncoder:
    encoder = ImageEncoder(SMALL)
    Vpt(num_tokens=4).install(encoder)
    randomise(encoder, 1)
    return encoder


def attention_with_prompts(block: PromptedBlock, window: Tensor) -> Tensor:
    """All tokens ask all tokens, prompts first, with the whole matrix of scores: ``(H, W, D)``."""
    attn, (height, width, dim) = block.attn, window.shape
    prompts = block.norm1(block.prompts)
    tokens = torch.cat([prompts, window.reshape(-1, dim)])
    count, heads = len(prompts), attn.num_heads
    query, key, value = attn.qkv(tokens).reshape(-1, 3, heads, dim // heads).permute(1, 2, 0, 3)
    scores = query @ key.transpose(1, 2) / math.sqrt(dim // heads)
    table_h = image_encoder.get_rel_pos(height, height, attn.rel_pos_h)
    table_w = image_encoder.get_rel_pos(width, width, attn.rel_pos_w)
    for i in range(height * width):
        for j in range(height * width):
            asker = query[:, count + i]
            bias_h = asker @ table_h[i // width, j // width]
            bias_w = asker @ table_w[i % width, j % width]
            scores[:, count + i, count + j] += bias_h + bias_w
    mixed = (scores.softmax(-1) @ value).transpose(0, 1).reshape(-1, dim)
    kept: Tensor = attn.proj(mixed)[count:].reshape(height, width, dim)
    return kept


@pytest.mark.parametrize("number", [0, 1], ids=["windows", "whole map"])
@torch.inference_mode()
def test_prompts_join_every_window_and_leave_after_it(number: int) -> None:
    block = prompted().blocks[number]
    assert isinstance(block, PromptedBlock)
    x = torch.randn(1, 3, 6, SMALL.embed_dim)  # two windows, or one map
    parts = x[0].split(3 if block.window_size else 6, dim=1)
    expected = torch.cat([attention_with_prompts(block, part) for part in parts], dim=1)
    torch.testing.assert_close(block.attend(x)[0], expected, rtol=1e-4, atol=1e-4)


def test_prompts_begin_as_the_paper_draws_them() -> None:
    encoder = ImageEncoder(SMALL)
    Vpt(num_tokens=500).install(encoder)
    bound = math.sqrt(6 / (3 * 16 * 16 + 48))
    for block in encoder.blocks:
        prompts = block.get_parameter("prompts")
        assert prompts.shape == (500, 48)
        assert 0.99 * bound < prompts.abs().max() <= bound
        assert abs(prompts.mean()) < 0.02 * bound
