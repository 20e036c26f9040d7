"""LoRA equals the encoder with the updates merged into its weights."""

import pytest
import torch

from sarseg.adapters.lora import Lora, QueryValueLora
from sarseg.sam.architecture import ARCHITECTURES
from sarseg.sam.encoder import ImageEncoder
from tests.sam.test_encoder import SMALL, randomise


@pytest.mark.parametrize(("alpha", "scale"), [(None, 1.0), (6.0, 2.0)])
@torch.inference_mode()
def test_lora_equals_merged_weights(alpha: float | None, scale: float) -> None:
    encoder, merged = ImageEncoder(SMALL), ImageEncoder(SMALL)
    Lora(rank=3, alpha=alpha).install(encoder)
    randomise(encoder, 1)
    merged.load_state_dict(encoder.state_dict(), strict=False)
    dim = SMALL.embed_dim
    for block, plain in zip(encoder.plain_blocks(), merged.plain_blocks(), strict=True):
        qkv = block.attn.qkv
        assert isinstance(qkv, QueryValueLora)
        plain.attn.qkv.weight[:dim] += scale * qkv.lora_B_q @ qkv.lora_A_q
        plain.attn.qkv.weight[2 * dim :] += scale * qkv.lora_B_v @ qkv.lora_A_v
    image = torch.randn(2, 3, 80, 80)
    torch.testing.assert_close(encoder(image), merged(image), rtol=1e-4, atol=1e-4)


def test_vit_b_has_samed_s_147_thousand_parameters() -> None:
    with torch.device("meta"):
        encoder = ImageEncoder(ARCHITECTURES["vit_b"])
        Lora().install(encoder)
    trained = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    assert trained == 12 * 2 * 2 * 4 * 768
