"""What holds of every method, whatever it adds: a new one is tested by being there."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sarseg.adapters import METHODS, method
from sarseg.adapters.base import AdaptationMethod
from sarseg.decoders.classwise import Classwise
from sarseg.errors import ModelError
from sarseg.model.bands import exact_inputs
from sarseg.model.segmenter import Segmenter
from sarseg.registry import kinds_in
from sarseg.sam.encoder import ImageEncoder
from tests.sam.test_encoder import SMALL, randomise

TRAINS_SAM_ITSELF = {"full"}
MOVES_THE_OUTPUT_AT_ONCE = {"vpt"}
CHOOSES_BY_VALUE = {"conv-lora"}
"""What runs depends on numbers, which the meta device does not have."""
MAY_LACK_A_GRADIENT = {"conv-lora": ".lora_moe_experts."}
"""No map of a batch may have chosen an expert."""

every_method = pytest.mark.parametrize("name", METHODS)


def adapted(name: str) -> ImageEncoder:
    """As installed, on random weights of SAM."""
    encoder = ImageEncoder(SMALL)
    randomise(encoder, 3)
    method(name).install(encoder)
    return encoder


def moved(name: str) -> ImageEncoder:
    """All parameters random, so that whatever the method adds counts."""
    encoder = ImageEncoder(SMALL)
    method(name).install(encoder)
    randomise(encoder, 4)
    return encoder


def images(count: int, height: int = 80, width: int = 80, seed: int = 5) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def loss_of(encoder: ImageEncoder, image: Tensor) -> Tensor:
    return encoder(image).float().square().mean() + encoder.auxiliary_loss()


def gradients(encoder: ImageEncoder) -> dict[str, Tensor]:
    return {n: p.grad for n, p in encoder.named_parameters() if p.grad is not None}


@every_method
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@torch.inference_mode()
def test_an_untrained_method_leaves_the_encoder_as_it_was(name: str, training: bool) -> None:
    plain = ImageEncoder(SMALL)
    randomise(plain, 3)
    encoder = adapted(name).train(training)
    as_it_was = torch.allclose(encoder(images(2)), plain(images(2)), rtol=1e-4, atol=1e-5)
    assert as_it_was == (name not in MOVES_THE_OUTPUT_AT_ONCE)


@every_method
def test_steps_move_all_that_trains_and_nothing_else(name: str) -> None:
    torch.manual_seed(0)
    inputs = exact_inputs(["VV", "VH"])
    model = Segmenter(SMALL, method(name), Classwise(), inputs=inputs, num_classes=3)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    of_sam = {f"image_encoder.{n}" for n in ImageEncoder(SMALL).state_dict()}
    assert of_sam <= before.keys()
    assert not trained & {n for n in before if n.startswith("prompt_encoder.")}
    assert bool(trained & of_sam) == (name in TRAINS_SAM_ITSELF)

    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    # two steps: what starts at zero hides what feeds it from the first gradient
    for _ in range(2):
        optimiser.zero_grad()
        loss = model(torch.randn(2, 2, 80, 80)).square().mean()
        (loss + model.image_encoder.auxiliary_loss()).backward()
        optimiser.step()

    excused = MAY_LACK_A_GRADIENT.get(name, "nothing")
    for parameter, now in model.named_parameters():
        if parameter not in trained:
            assert now.grad is None, parameter
            assert torch.equal(now, before[parameter]), parameter
        elif parameter.startswith("image_encoder.") and excused not in parameter:
            assert now.grad is not None, parameter
            assert now.grad.any(), parameter
            assert not torch.equal(now, before[parameter]), parameter


@every_method
def test_bfloat16_stays_near_float32(name: str) -> None:
    encoder = moved(name)
    exact, coarse = (pass_of(encoder, bfloat16=bfloat16) for bfloat16 in (False, True))
    for found, expected in zip(coarse, exact, strict=True):
        assert (found - expected).norm() <= 0.05 * expected.norm()


def pass_of(encoder: ImageEncoder, *, bfloat16: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Embedding, auxiliary loss and the gradients, all in one vector, of one training step."""
    torch.manual_seed(0)
    encoder.zero_grad()
    image = images(2).requires_grad_()  # so that there is a gradient where nothing trains
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        embedding = encoder(image)
        auxiliary_loss = encoder.auxiliary_loss()
    (embedding.float().square().mean() + auxiliary_loss).backward()
    tensors = [image, *(p for p in encoder.parameters() if p.requires_grad)]
    together = [torch.zeros_like(t) if t.grad is None else t.grad for t in tensors]
    gradient = torch.cat([t.flatten() for t in together])
    return embedding.detach().float(), auxiliary_loss.detach(), gradient


@every_method
def test_gradient_checkpointing_changes_no_number(name: str) -> None:
    kept, anew = moved(name), moved(name)
    anew.gradient_checkpointing = True
    image = images(2).requires_grad_()  # so that there is a gradient where nothing trains
    losses = []
    for encoder in (kept, anew):
        torch.manual_seed(7)
        loss = loss_of(encoder, image)
        auxiliary_loss = encoder.auxiliary_loss().detach().clone()
        loss.backward()
        assert torch.equal(encoder.auxiliary_loss(), auxiliary_loss)
        losses.append(loss)
    torch.testing.assert_close(losses[1], losses[0], rtol=0, atol=0)
    torch.testing.assert_close(gradients(anew), gradients(kept))


@every_method
def test_settings_survive_the_model_file(name: str) -> None:
    dumped = json.loads(json.dumps(method(name).model_dump(mode="json")))
    assert method(name, dumped) == method(name)


@every_method
@given(
    rows=st.integers(1, 7), cols=st.integers(1, 7), count=st.integers(1, 3), seed=st.integers(0, 9)
)
@settings(max_examples=8, deadline=None)
@torch.inference_mode()
def test_images_of_any_size_do_not_see_each_other(
    name: str, rows: int, cols: int, count: int, seed: int
) -> None:
    encoder = moved(name).eval()
    batch = images(count, 16 * rows, 16 * cols, seed)
    together = encoder(batch)
    assert together.shape == (count, SMALL.out_chans, rows, cols)
    assert together.isfinite().all()
    alone = torch.cat([encoder(one) for one in batch.split(1)])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


@every_method
@torch.inference_mode()
def test_evaluation_is_repeatable(name: str) -> None:
    encoder = moved(name).eval()
    assert torch.equal(encoder(images(2)), encoder(images(2)))


@pytest.mark.parametrize("name", sorted(METHODS.keys() - CHOOSES_BY_VALUE))
def test_shapes_can_be_told_without_computing(name: str) -> None:
    with torch.device("meta"):
        encoder = ImageEncoder(SMALL)
        method(name).install(encoder)
        assert encoder(torch.empty(2, 3, 80, 80)).shape == (2, 32, 5, 5)


def test_a_ninth_method_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "plugins"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "ninth.py").write_text(
        "from sarseg.adapters.lora import Lora\nclass Ninth(Lora):\n    name = 'ninth'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = kinds_in("plugins", [str(package)], AdaptationMethod)  # type: ignore[type-abstract]
    assert list(found) == ["ninth"]


@pytest.mark.parametrize(("name", "settings"), [("cwasm", {}), ("cwsam", {"ratio": 1})])
def test_unknown_methods_and_settings_are_refused(name: str, settings: dict[str, int]) -> None:
    with pytest.raises(ModelError, match="cwsam"):
        method(name, settings)
