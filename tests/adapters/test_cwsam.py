"""CWSAM as a method: what it adds, what trains, what it leaves alone."""

import pytest
import torch

from sarseg.adapters import method
from sarseg.adapters.cwsam import Cwsam, FrequencyPrompts
from sarseg.adapters.frequency import frequency_band
from sarseg.errors import ModelError
from sarseg.model.bands import exact_inputs
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import ARCHITECTURES
from sarseg.sam.encoder import ImageEncoder
from tests.sam.test_encoder import SMALL, randomise

TINY = Cwsam(scale_factor=8)


def segmenter() -> Segmenter:
    return Segmenter(SMALL, TINY, inputs=exact_inputs(["VV", "VH"]), num_classes=3)


def test_vit_b_with_five_classes_trains_11_74_million_parameters() -> None:
    with torch.device("meta"):
        model = Segmenter(
            ARCHITECTURES["vit_b"], Cwsam(), inputs=exact_inputs(["HH"]), num_classes=5
        )
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert round(trainable / 1e6, 2) == 11.74


def test_untrained_adapters_leave_the_encoder_as_it_was() -> None:
    plain, adapted = ImageEncoder(SMALL), ImageEncoder(SMALL)
    randomise(plain, 3)
    adapted.load_state_dict(plain.state_dict())
    TINY.install(adapted)
    image = torch.randn(1, 3, 80, 80)
    with torch.inference_mode():
        torch.testing.assert_close(adapted(image), plain(image))


def test_a_step_moves_what_trains_and_nothing_else() -> None:
    model = segmenter()
    frozen = {n: p.clone() for n, p in model.named_parameters() if not p.requires_grad}
    assert all(n.startswith(("image_encoder.", "no_mask_embed.")) for n in frozen)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert {n.split(".")[0] for n in trained} == {"image_encoder", "mask_decoder"}
    optimiser = torch.optim.AdamW(trained.values(), lr=0.1)
    # two steps: what starts at zero hides what feeds it from the first gradient
    for _ in range(2):
        optimiser.zero_grad()
        model(torch.randn(2, 2, 80, 80)).square().mean().backward()
        optimiser.step()
    for name, before in frozen.items():
        assert torch.equal(before, model.get_parameter(name)), name
    encoder_parts = [n for n in trained if n.startswith("image_encoder.")]
    assert all(trained[n].grad is not None and trained[n].grad.any() for n in encoder_parts)


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


def test_low_and_high_bands_are_those_of_the_fourier_plane() -> None:
    rows, cols = torch.meshgrid(torch.arange(32), torch.arange(48), indexing="ij")
    slow = torch.cos(2 * torch.pi * 2 * rows / 32)
    fast = torch.cos(2 * torch.pi * 20 * cols / 48)
    both = slow + fast
    torch.testing.assert_close(frequency_band(both, 0.25, "low"), slow.abs(), atol=1e-5, rtol=0)
    torch.testing.assert_close(frequency_band(both, 0.25, "high"), fast.abs(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "settings"), [("cwasm", {}), ("cwsam", {"ratio": 1})])
def test_unknown_methods_and_settings_are_refused(name: str, settings: dict[str, int]) -> None:
    with pytest.raises(ModelError, match="cwsam"):
        method(name, settings)
