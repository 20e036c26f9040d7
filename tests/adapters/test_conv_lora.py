"""Conv-LoRA's layer map by map, and its balance loss from the definition, in NumPy."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor, nn
from torch.nn import functional

from sarseg.adapters import method
from sarseg.adapters.conv_lora import ConvLora, ConvLoraLinear, ExpertGate
from sarseg.errors import ModelError
from sarseg.sam.encoder import ImageEncoder
from tests.sam.test_encoder import SMALL, randomise

DIM = 10


def layer(seed: int = 0, **options: Any) -> ConvLoraLinear:
    made = ConvLoraLinear(nn.Linear(DIM, 3 * DIM), ConvLora(**options))
    randomise(made, seed)
    return made.eval()


def maps_of(made: ConvLoraLinear, x: Tensor) -> Tensor:
    return (x @ made.lora_A.T).permute(0, 3, 1, 2)


def gate_of(made: ConvLoraLinear) -> ExpertGate:
    assert made.lora_moe_gating is not None
    return made.lora_moe_gating


def expert_on_one_map(made: ConvLoraLinear, number: int, one: Tensor) -> Tensor:
    """Expert ``number``, from 0, on a map ``(r, H, W)``."""
    conv = made.get_submodule(f"lora_moe_experts.{number}.0")
    larger = functional.interpolate(one[None], scale_factor=number + 1, mode="bicubic")
    padded = functional.pad(larger, (1, 1, 1, 1))
    convolved = functional.conv2d(padded, conv.get_parameter("weight"), conv.get_parameter("bias"))
    answer = functional.gelu(convolved)
    return functional.interpolate(answer, size=one.shape[-2:], mode="bicubic")[0]


@given(
    count=st.integers(1, 5),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    rank=st.integers(1, 4),
    experts=st.integers(1, 5),
    top_k=st.integers(1, 5),
    gate=st.sampled_from(["mixture", "sum"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
@torch.inference_mode()
def test_layer_equals_a_loop_over_maps(
    count: int,
    height: int,
    width: int,
    rank: int,
    experts: int,
    top_k: int,
    gate: str,
    seed: int,
) -> None:
    top_k = min(top_k, experts)
    made = layer(seed, rank=rank, alpha=5, experts=experts, top_k=top_k, gate=gate)
    x = torch.randn(count, height, width, DIM, generator=torch.Generator().manual_seed(seed))
    expected = []
    for one, features in zip(maps_of(made, x), x, strict=True):
        chosen = list(range(experts))
        if gate == "mixture":
            scores = one.mean(dim=(1, 2)) @ gate_of(made).w_gate
            chosen = scores.argsort(descending=True)[:top_k].tolist()
        total = one + sum(expert_on_one_map(made, number, one) for number in chosen)
        update = 5 / rank * total.permute(1, 2, 0) @ made.lora_B.T
        expected.append(features @ made.weight.T + made.bias + update)
    torch.testing.assert_close(made(x), torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_an_expert_sees_only_the_maps_that_chose_it() -> None:
    made, seen = layer(experts=4, top_k=2), []
    for expert in made.lora_moe_experts:
        expert.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    made(torch.randn(9, 3, 3, DIM))
    assert sum(seen) == 2 * 9
    assert all(seen)


def variation(amounts: NDArray[np.float64]) -> float:
    return float(amounts.var(ddof=1) / amounts.mean() ** 2)


def chance(clean: NDArray[np.float64], noise: float, others: list[float], top_k: int) -> float:
    """That new noise still puts this score among the best, the others' staying as they are."""
    to_beat = sorted(others, reverse=True)[top_k - 1]
    return float(norm.cdf((clean - to_beat) / noise))


@pytest.mark.parametrize(("top_k", "weight"), [(1, 0.01), (2, 0.5), (3, 1.0)])
@pytest.mark.parametrize("training", [True, False])
def test_balance_loss_is_its_definition(top_k: int, weight: float, training: bool) -> None:
    experts, count = 4, 12
    made = layer(3, experts=experts, top_k=top_k, balance_weight=weight).train(training)
    gate = gate_of(made)
    gate.w_gate.data.mul_(4)
    x = torch.randn(count, 3, 3, DIM, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(8)
    noise = torch.randn(count, experts).double().numpy() if training else np.zeros((count, experts))

    means = maps_of(made, x).mean(dim=(2, 3)).detach().double().numpy()
    clean = means @ gate.w_gate.detach().double().numpy()
    spread = np.log1p(np.exp(means @ gate.w_noise.detach().double().numpy())) + 0.01
    scores = clean + noise * spread
    importance, load = np.zeros(experts), np.zeros(experts)
    for m in range(count):
        best = np.argsort(-scores[m])[:top_k]
        importance[best] += np.exp(scores[m, best]) / np.exp(scores[m, best]).sum()
        for e in range(experts):
            others = [scores[m, o] for o in range(experts) if o != e]
            smooth = chance(clean[m, e], spread[m, e], others, top_k)
            load[e] += smooth if training else e in best
    expected = weight * (variation(importance) + variation(load))

    torch.manual_seed(8)
    made(x)
    assert gate.auxiliary_loss.item() == pytest.approx(expected, rel=1e-4)


def test_balance_loss_trains_the_gate() -> None:
    made = layer(1).train()
    made(torch.randn(6, 3, 3, DIM))
    gate_of(made).auxiliary_loss.backward()
    for weights in (gate_of(made).w_gate, gate_of(made).w_noise, made.lora_A):
        assert weights.grad is not None
        assert weights.grad.isfinite().all()
        assert weights.grad.any()


@pytest.mark.parametrize(
    "options", [{"experts": 1}, {"experts": 2, "top_k": 2}, {"experts": 8}], ids=str
)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("blank", [True, False])
def test_one_map_gives_a_finite_loss_and_gradients(
    options: dict[str, int], training: bool, blank: bool
) -> None:
    made = layer(**options).train(training)
    x = torch.zeros(1, 2, 2, DIM) if blank else torch.randn(1, 2, 2, DIM)
    loss = made(x).square().mean() + gate_of(made).auxiliary_loss
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in made.parameters() if p.grad is not None)


def test_one_expert_is_never_out_of_balance() -> None:
    made = layer(experts=1)
    made(torch.randn(3, 2, 2, DIM))
    assert gate_of(made).auxiliary_loss == 0


@torch.inference_mode()
def test_the_encoder_s_loss_is_summed_over_layers_and_taken_over_the_whole_batch() -> None:
    encoder = ImageEncoder(SMALL)
    ConvLora().install(encoder)
    randomise(encoder, 4)
    encoder.eval()
    images = torch.randn(4, 3, 80, 80)
    encoder(images)
    gates = [gate_of(block.attn.qkv) for block in encoder.plain_blocks()]
    whole = encoder.auxiliary_loss().item()
    assert whole == pytest.approx(sum(gate.auxiliary_loss.item() for gate in gates))
    single = []
    for image in images.split(1):
        encoder(image)
        single.append(encoder.auxiliary_loss().item())
    assert whole < 0.99 * np.mean(single)


def test_noise_moves_the_choice_in_training_alone() -> None:
    made = layer(5)
    x = torch.randn(30, 2, 2, DIM)
    assert torch.equal(made(x), made(x))
    made.train()
    assert not torch.equal(made(x), made(x))


def test_the_sum_has_no_gate_and_no_loss() -> None:
    encoder = ImageEncoder(SMALL)
    ConvLora(gate="sum", experts=3).install(encoder)
    randomise(encoder, 6)
    assert not [name for name in encoder.state_dict() if "gating" in name]
    loss = encoder(torch.randn(2, 3, 80, 80)).square().mean()
    assert encoder.auxiliary_loss() == 0
    loss.backward()
    experts = [p for n, p in encoder.named_parameters() if "experts" in n]
    assert len(experts) == SMALL.depth * 3 * 2
    assert all(p.grad is not None and p.grad.any() for p in experts)


def test_checkpointing_keeps_the_loss_of_the_forward_pass() -> None:
    encoder = ImageEncoder(SMALL)
    ConvLora().install(encoder)
    encoder.gradient_checkpointing = True
    embedding = encoder(torch.randn(2, 3, 80, 80))
    gates = [gate_of(block.attn.qkv) for block in encoder.plain_blocks()]
    losses = [gate.auxiliary_loss for gate in gates]
    (embedding.square().mean() + encoder.auxiliary_loss()).backward()
    # the pass that recomputes for the gradients leaves nothing behind
    assert [gate.auxiliary_loss for gate in gates] == losses
    assert not any(gate.auxiliary_loss.requires_grad for gate in gates)


def test_a_trained_encoder_can_be_copied() -> None:
    encoder = ImageEncoder(SMALL)
    ConvLora().install(encoder)
    assert encoder.auxiliary_loss() == 0
    embedding = encoder(torch.randn(2, 3, 80, 80))
    (embedding.square().mean() + encoder.auxiliary_loss()).backward()
    deepcopy(encoder)


def test_parameters_have_the_released_names() -> None:
    names = {name for name, p in layer().named_parameters() if name not in ("weight", "bias")}
    assert names == {
        "lora_A",
        "lora_B",
        "lora_moe_gating.w_gate",
        "lora_moe_gating.w_noise",
        *(f"lora_moe_experts.{i}.0.{kind}" for i in range(8) for kind in ("weight", "bias")),
    }


def test_more_choices_than_experts_are_refused() -> None:
    with pytest.raises(ModelError, match="is 3: a map cannot choose more"):
        method("conv-lora", {"experts": 2, "top_k": 3})
