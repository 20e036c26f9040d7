"""Every decoder in a segmenter: what it answers, what trains, what is kept."""

from fnmatch import fnmatch

import pytest
import torch
from torch import Tensor

from sarseg.adapters import method
from sarseg.decoders import DECODERS, decoder
from sarseg.decoders.base import Decoder
from sarseg.errors import ModelError
from sarseg.model.bands import exact_inputs
from sarseg.model.segmenter import Segmenter
from sarseg.training.objectives import objective
from tests.sam.test_encoder import SMALL

METHODS = ("cwsam", "decoder-only", "full")
SIZE = (80, 64)

NEVER_USED = {
    "classwise": ("output_hypernetworks_mlps.[123].*", "iou_prediction_head.*"),
    "mask-classification": (),
    "box-prompted": (),
}
"""What counts as trained in a mask decoder and yet never has a gradient (CWSAM's, as released)."""


def segmenter(decoding: Decoder, adaptation: str = "full") -> Segmenter:
    torch.manual_seed(0)
    inputs = exact_inputs(["VV", "VH"])
    settings = {"scale_factor": 8} if adaptation == "cwsam" else {}
    return Segmenter(SMALL, method(adaptation, settings), decoding, inputs, num_classes=2)


def boxes(decoding: Decoder, batch: int) -> list[Tensor] | None:
    drawn = [torch.tensor([[3.0, 5.0, 40.0, 60.0], [0.0, 0.0, 20.0, 9.0]])] * batch
    return drawn if decoding.takes_boxes else None


def images(batch: int) -> Tensor:
    return torch.randn(batch, 2, *SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("adaptation", METHODS)
@pytest.mark.parametrize("name", DECODERS)
def test_what_trains_has_a_gradient_and_the_rest_has_none(name: str, adaptation: str) -> None:
    # as many queries as classes: one without a class has no mask to learn
    decoding = decoder(name, {"queries": 2} if name == "mask-classification" else {})
    model = segmenter(decoding, adaptation)
    # pixels of both classes, and square, as chips are
    labels = torch.zeros(2, 64, 64, dtype=torch.long)
    labels[:, 10:30, 20:50] = 1
    judge = objective(decoding, [1.0, 1.0])
    judge.loss(model, images(2)[..., :64, :], labels).backward()
    trained = {n: p for n, p in model.mask_decoder.named_parameters() if p.requires_grad}
    # one bias for all keys shifts the scores of a query alike: the softmax does not see it
    trained = {n: p for n, p in trained.items() if not n.endswith("k_proj.bias")}
    without = {n for n, p in trained.items() if p.grad is None or not p.grad.any()}
    assert without == {n for n in trained if any(fnmatch(n, part) for part in NEVER_USED[name])}
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert all(model.get_parameter(n).grad is None for n in frozen)
    assert any(n.startswith("prompt_encoder.") for n in frozen)


@pytest.mark.parametrize("name", DECODERS)
def test_bfloat16_is_finite_and_near_float32(name: str) -> None:
    decoding = decoder(name)
    model = segmenter(decoding)
    exact = model(images(1), boxes(decoding, 1))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(images(1), boxes(decoding, 1))
    assert exact.shape == rounded.shape == (1, 2, *SIZE)
    gap = (exact.softmax(1) - rounded.float().softmax(1)).abs().max()
    assert torch.isfinite(rounded).all()
    assert gap < 0.05
    rounded.float().softmax(1)[:, 1].sum().backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", DECODERS)
def test_settings_survive_the_model_file(name: str) -> None:
    changed = {
        "classwise": {"skip": False},
        "mask-classification": {"queries": 9},
        "box-prompted": {"box_scale": 1.25},
    }
    chosen = decoder(name, changed[name])
    assert chosen != decoder(name)
    assert decoder(name, chosen.model_dump(mode="json")) == chosen


def test_an_unknown_decoder_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'boxes'.*box-prompted, classwise, mask-classification"):
        decoder("boxes")
