"""The adapters' places in a block, and their weights there."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sarseg.adapters.bottleneck import AdaptedBlock, install_adapters
from sarseg.sam.encoder import ImageEncoder
from tests.sam.test_encoder import SMALL, randomise


@torch.inference_mode()
def test_an_adapted_block_follows_its_formula() -> None:
    encoder = ImageEncoder(SMALL)
    install_adapters(encoder, ratio=0.25, scale=0.3)
    randomise(encoder, 1)
    block = encoder.blocks[0]
    assert isinstance(block, AdaptedBlock)

    def bottleneck(adapter: nn.Module, x: Tensor) -> Tensor:
        weights = dict(adapter.named_parameters())
        hidden = functional.gelu(x @ weights["D_fc1.weight"].T + weights["D_fc1.bias"])
        assert hidden.shape[-1] == SMALL.embed_dim // 4
        return hidden @ weights["D_fc2.weight"].T + weights["D_fc2.bias"]

    x = torch.randn(2, 5, 4, SMALL.embed_dim)
    attended = block.attend(block.norm1(x))
    middle = x + attended + bottleneck(block.Space_Adapter, attended)
    normed = block.norm2(middle)
    expected = middle + block.mlp(normed) + 0.3 * bottleneck(block.MLP_Adapter, normed)
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-4)
