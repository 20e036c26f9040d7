"""CWSAM's parts: how large they are, what switches them, the two orders of the embedding."""

from typing import Any

import pytest
import torch

from sarseg.adapters import method
from sarseg.adapters.cwsam import Cwsam, FrequencyPrompts
from sarseg.decoders.classwise import Classwise
from sarseg.errors import ModelError
from sarseg.model.bands import exact_inputs
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import ARCHITECTURES
from sarseg.sam.encoder import ImageEncoder
from tests.sam.test_encoder import SMALL, randomise

TINY = Cwsam(scale_factor=8)
WIDTH, DEPTH, PIXELS = SMALL.embed_dim, SMALL.depth, SMALL.patch_size**2
INNER = WIDTH // 8


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def adapter_parameters(inner: int) -> int:
    return 2 * DEPTH * (linear(WIDTH, inner) + linear(inner, WIDTH))


def prompt_parameters(channels: int) -> int:
    handcrafted, embedding = linear(channels * PIXELS, INNER), linear(WIDTH, INNER)
    return handcrafted + embedding + DEPTH * linear(INNER, INNER) + linear(INNER, WIDTH)


def test_vit_b_with_five_classes_trains_11_74_million_parameters() -> None:
    with torch.device("meta"):
        model = Segmenter(
            ARCHITECTURES["vit_b"], Cwsam(), Classwise(), inputs=exact_inputs(["HH"]), num_classes=5
        )
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert round(trainable / 1e6, 2) == 11.74


@pytest.mark.parametrize(
    ("switches", "parameters"),
    [
        ({}, adapter_parameters(12) + prompt_parameters(3)),
        ({"adapter_ratio": 0.125}, adapter_parameters(6) + prompt_parameters(3)),
        ({"adapter_ratio": 0.001}, adapter_parameters(1) + prompt_parameters(3)),
        ({"adapters": False}, prompt_parameters(3)),
        ({"prompts": False}, adapter_parameters(12)),
        ({"band": "high"}, adapter_parameters(12) + prompt_parameters(3)),
        ({"band": "both"}, adapter_parameters(12) + prompt_parameters(6)),
    ],
    ids=str,
)
def test_switches_give_and_take_parts_that_all_train(
    switches: dict[str, Any], parameters: int
) -> None:
    encoder = ImageEncoder(SMALL)
    Cwsam(scale_factor=8, **switches).install(encoder)
    randomise(encoder, 1)
    trained = {n: p for n, p in encoder.named_parameters() if p.requires_grad}
    assert sum(p.numel() for p in trained.values()) == parameters
    embedding = encoder(torch.randn(2, 3, 80, 64))
    assert embedding.shape == (2, 32, 5, 4)
    embedding.square().mean().backward()
    for name, parameter in trained.items():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_the_band_decides_what_the_encoder_is_prompted_by() -> None:
    encoder = ImageEncoder(SMALL)
    image = torch.randn(1, 3, 80, 80)
    low, high, both = (
        FrequencyPrompts(encoder, Cwsam(band=band)).frequency_images(image)
        for band in ("low", "high", "both")
    )
    assert not torch.allclose(low, high, atol=0.1)
    assert torch.equal(both, torch.cat([low, high], dim=1))


def test_cwsam_without_either_part_is_refused() -> None:
    with pytest.raises(ModelError, match="choose decoder-only"):
        method("cwsam", {"adapters": False, "prompts": False})


def test_the_released_order_scrambles_and_the_straight_one_does_not() -> None:
    encoder = ImageEncoder(SMALL)
    embedded = torch.arange(2 * 5 * 4 * 48).reshape(2, 5, 4, 48).float()
    straight = FrequencyPrompts(encoder, TINY)._ordered(embedded)
    assert torch.equal(straight, embedded)
    released = TINY.model_copy(update={"embedding_order": "released"})
    scrambled = FrequencyPrompts(encoder, released)._ordered(embedded)
    flat = embedded[1].flatten()
    token, channel = 7, 11
    assert scrambled[1].reshape(20, 48)[token, channel] == flat[channel * 20 + token]
