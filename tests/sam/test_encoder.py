"""The encoder computes what segment_anything's own computes, only faster."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sarseg.sam.architecture import ARCHITECTURES, SamArchitecture
from sarseg.sam.attention import FusedAttention
from sarseg.sam.encoder import ImageEncoder
from sarseg.sam.package import image_encoder

SMALL = SamArchitecture(
    image_size=80,
    embed_dim=48,
    depth=3,
    num_heads=3,
    global_attn_indexes=(1,),
    window_size=3,
    out_chans=32,
    decoder_heads=2,
    decoder_mlp_dim=64,
    iou_head_hidden_dim=32,
)


def stock_encoder(sizes: SamArchitecture) -> nn.Module:
    return image_encoder.ImageEncoderViT(
        img_size=sizes.image_size,
        patch_size=sizes.patch_size,
        embed_dim=sizes.embed_dim,
        depth=sizes.depth,
        num_heads=sizes.num_heads,
        out_chans=sizes.out_chans,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=sizes.window_size,
        global_attn_indexes=sizes.global_attn_indexes,
    )


def randomise(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data.normal_(std=0.2, generator=generator)


@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
@torch.inference_mode()
def test_fused_attention_equals_the_stock_one(height: int, width: int, seed: int) -> None:
    arguments = {"dim": 24, "num_heads": 3, "use_rel_pos": True, "input_size": (height, width)}
    stock, fused = image_encoder.Attention(**arguments), FusedAttention(**arguments)
    randomise(stock, seed)
    fused.load_state_dict(stock.state_dict())
    x = torch.randn(2, height, width, 24, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(fused(x), stock(x), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_encoder_equals_the_stock_one_with_padded_windows() -> None:
    stock, ours = stock_encoder(SMALL), ImageEncoder(SMALL)
    randomise(stock, 1)
    ours.load_state_dict(stock.state_dict(), strict=True)
    images = torch.randn(2, 3, 80, 80)
    torch.testing.assert_close(ours(images), stock(images), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_other_sizes_resize_the_position_table() -> None:
    encoder = ImageEncoder(SMALL)
    randomise(encoder, 2)
    assert encoder(torch.randn(1, 3, 112, 112)).shape == (1, 32, 7, 7)


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_meta_backbones_have_the_names_and_shapes_of_segment_anything(name: str) -> None:
    with torch.device("meta"):
        stock, ours = stock_encoder(ARCHITECTURES[name]), ImageEncoder(ARCHITECTURES[name])
    shapes = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert shapes == {key: tensor.shape for key, tensor in stock.state_dict().items()}
