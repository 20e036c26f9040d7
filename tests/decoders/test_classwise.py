"""The classwise decoder: shapes, independence of images in a batch, order of channels, the skip."""

import pytest
import torch

from sarseg.decoders.classwise import Classwise, ClasswiseDecoder
from tests.sam.test_encoder import SMALL, randomise


def built(seed: int, *, skip: bool = True) -> ClasswiseDecoder:
    decoder = Classwise(skip=skip).build(SMALL, num_classes=3).eval()
    randomise(decoder, seed)
    return decoder


@pytest.mark.parametrize("skip", [True, False])
@torch.inference_mode()
def test_images_of_a_batch_do_not_see_each_other(skip: bool) -> None:
    decoder = built(6, skip=skip)
    embeddings, positions = torch.randn(3, 32, 5, 4), torch.randn(1, 32, 5, 4)
    prompt = torch.randn(1, 32, 1, 1)
    together = decoder(embeddings, positions, prompt)
    assert together.shape == (3, 3, 20, 16)
    alone = torch.cat([decoder(one, positions, prompt) for one in embeddings.split(1)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("skip", [True, False])
@torch.inference_mode()
def test_channels_of_the_last_convolution_are_features_first_classes_second(skip: bool) -> None:
    decoder = built(7, skip=skip)
    last = decoder.cls_upscaling[3]
    features = SMALL.out_chans // 8
    # class 1 is channel 1 of every feature's group of three; silence it, and only it is zero
    last.weight.data.unflatten(0, (features, 3))[:, 1] = 0
    last.bias.data.unflatten(0, (features, 3))[:, 1] = 0
    logits = decoder(torch.randn(1, 32, 4, 4), torch.randn(1, 32, 4, 4), torch.randn(1, 32, 1, 1))
    assert [bool(logits[0, k].any()) for k in range(3)] == [True, False, True]


@torch.inference_mode()
def test_the_skip_is_the_second_half_of_what_is_upscaled() -> None:
    """Where nothing looks at the skip's half, the decoder is the one that has no skip."""
    without, full = built(8, skip=False), built(8)
    features = SMALL.out_chans // 8
    shared = {n: p for n, p in without.state_dict().items() if not n.startswith("cls_upscaling.")}
    full.load_state_dict(shared, strict=False)
    (first, norm, _, last, _), (lone, lone_norm, _, lone_last, _) = (
        full.cls_upscaling,
        without.cls_upscaling,
    )
    # the norm mixes all channels, but not where each comes twice
    first.weight.zero_()
    first.weight[:features] = lone.weight.repeat(1, 2, 1, 1)
    first.bias.copy_(lone.bias.repeat(2))
    norm.weight.copy_(lone_norm.weight.repeat(2))
    norm.bias.copy_(lone_norm.bias.repeat(2))
    last.weight.zero_()
    last.weight[:, :features] = lone_last.weight
    last.bias.copy_(lone_last.bias)

    inputs = torch.randn(2, 32, 4, 4), torch.randn(1, 32, 4, 4), torch.randn(1, 32, 1, 1)
    torch.testing.assert_close(full(*inputs), without(*inputs), rtol=1e-4, atol=1e-4)
    first.weight[features:].normal_()
    assert not torch.allclose(full(*inputs), without(*inputs), rtol=1e-2)
