"""Objectives against float64 numpy written from the formulas, pixel by pixel."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from sarseg.adapters import method
from sarseg.assessment.confusion import confusion_matrix, scores
from sarseg.decoders import DECODERS, decoder
from sarseg.model.bands import exact_inputs
from sarseg.model.segmenter import Segmenter
from sarseg.training.losses import LOSSES, loss
from sarseg.training.losses.bce_iou import BceIou
from sarseg.training.objectives import default_loss, objective
from sarseg.training.objectives.base import Objective, normalised
from sarseg.training.objectives.boxed_mask import BoxedMask
from sarseg.training.objectives.dense import DensePrediction
from sarseg.training.objectives.mask_classification import SetPrediction
from tests.sam.test_encoder import SMALL, randomise

Array = NDArray[np.float64]

IGNORED = 255


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def binary_cross_entropy(logits: Array, target: NDArray[np.bool_]) -> float:
    chance = sigmoid(logits)
    return float(-np.log(np.where(target, chance, 1 - chance)).mean())


def set_loss_of_image(
    class_logits: Array, masks: Array, labels: NDArray[np.int64], weights: Sequence[float]
) -> tuple[float, float, float, int]:
    """By trying every matching: weighted cross-entropy, its weight, mask losses, matched pairs."""
    chances = np.exp(class_logits) / np.exp(class_logits).sum(axis=1, keepdims=True)
    no_object = class_logits.shape[1] - 1
    labelled = labels != IGNORED
    present = [k for k in range(no_object) if (labels == k).any()]
    if not present:
        return 0.0, 0.0, 0.0, 0
    side = labels.shape[0] // masks.shape[1]
    drawn = masks.repeat(side, axis=1).repeat(side, axis=2)[:, labelled]
    true = {k: (labels == k)[labelled] for k in present}

    def drawing(query: int, k: int) -> float:
        inside = sigmoid(drawn[query])
        dice = 1 - (2 * inside[true[k]].sum() + 1) / (inside.sum() + true[k].sum() + 1)
        return 5 * binary_cross_entropy(drawn[query], true[k]) + 5 * float(dice)

    def cost(queries: tuple[int, ...]) -> float:
        pairs = list(zip(queries, present, strict=True))
        return sum(drawing(q, k) - 10 * chances[q, k] for q, k in pairs)

    best = min(permutations(range(len(masks)), len(present)), key=cost)
    targets = np.full(len(masks), no_object)
    targets[list(best)] = present
    weighing = np.array([*weights, 0.1])[targets]
    surprise = -np.log(chances[np.arange(len(masks)), targets])
    drawings = sum(drawing(q, k) for q, k in zip(best, present, strict=True))
    return float((weighing * surprise).sum()), float(weighing.sum()), drawings, len(present)


def set_loss(
    class_logits: Array, masks: Array, labels: NDArray[np.int64], weights: Sequence[float]
) -> float:
    of_images = [
        set_loss_of_image(*of_image, weights)
        for of_image in zip(class_logits, masks, labels, strict=True)
    ]
    surprise, weight, drawings, pairs = (sum(column) for column in zip(*of_images, strict=True))
    return 10 * surprise / max(weight, 1e-6) + drawings / max(pairs, 1)


@given(
    seed=st.integers(0, 10**6),
    classes=st.integers(1, 4),
    spare=st.integers(0, 2),
    ignored=st.sampled_from([0.0, 0.3, 1.0]),
)
@settings(max_examples=40, deadline=None)
def test_set_prediction_is_the_best_of_all_matchings(
    seed: int, classes: int, spare: int, ignored: float
) -> None:
    generator = np.random.default_rng(seed)
    class_logits = generator.normal(0, 2, (2, classes + spare, classes + 1))
    masks = generator.normal(0, 3, (2, classes + spare, 3, 3))
    labels = generator.integers(0, classes, (2, 12, 12))
    labels[:, generator.random((12, 12)) < ignored] = IGNORED
    labels[1, :6] = 0  # a class that rules, so that others may be absent from this image
    weights = generator.uniform(0.1, 2, classes).tolist()
    judge = SetPrediction(weights, classes + spare).double()
    truth = torch.from_numpy(labels)
    totals = judge.totals_of_queries(torch.from_numpy(class_logits), torch.from_numpy(masks), truth)
    found = normalised(totals, judge.weights(truth))
    assert float(found) == pytest.approx(set_loss(class_logits, masks, labels, weights), rel=1e-6)


def test_set_prediction_has_the_gradient_of_its_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    class_logits = torch.randn(2, 3, 3, generator=generator, dtype=torch.double)
    masks = torch.randn(2, 3, 2, 2, generator=generator, dtype=torch.double)
    labels = torch.randint(0, 2, (2, 4, 4), generator=generator)
    labels[0, 0] = IGNORED
    judge = SetPrediction([1.0, 0.5], 3).double()
    assert torch.autograd.gradcheck(
        lambda *given: judge.totals_of_queries(*given, labels),
        (class_logits.requires_grad_(), masks.requires_grad_()),
    )


def test_a_diverged_network_has_a_loss_that_says_so() -> None:
    broken, masks = torch.full((1, 3, 3), float("nan")), torch.zeros(1, 3, 2, 2)
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    judge = SetPrediction([1.0, 1.0], 3)
    assert judge.totals_of_queries(broken, masks, labels).sum().isnan()


def segmenter(decoding: str, **chosen: float) -> Segmenter:
    inputs = exact_inputs(["VV", "VH"])
    model = Segmenter(
        SMALL, method("decoder-only"), decoder(decoding, chosen), inputs, num_classes=2
    )
    randomise(model, 3)
    return model.eval()


def chips(batch: int) -> tuple[Tensor, Tensor]:
    bands = torch.randn(batch, 2, 64, 64, generator=torch.Generator().manual_seed(4))
    labels = torch.zeros(batch, 64, 64, dtype=torch.long)
    labels[:, 20:31, 8:40] = 1
    labels[:, :, 44:] = IGNORED
    return bands, labels


@torch.inference_mode()
def test_boxed_mask_prompts_with_the_scaled_box_of_the_label() -> None:
    model = segmenter("box-prompted", box_scale=1.5)
    bands, labels = chips(2)
    labels[1][labels[1] == 1] = 0
    judge = objective(decoder("box-prompted", {"box_scale": 1.5}), [1.0, 1.0])
    found = judge.logits(model, bands, labels)
    # 32 x 11 pixels from column 8, row 20, become 48 x 16.5, of which the left edge cuts none
    box = torch.tensor([[0.0, 17.25, 47.0, 32.75]])
    expected = model(bands, [box, torch.empty(0, 4)])
    torch.testing.assert_close(found, expected)
    assert (found[1].argmax(0) == 0).all()
    # the image without foreground does not count, whatever it looks like
    alone = judge.loss(model, bands[:1], labels[:1])
    torch.testing.assert_close(judge.loss(model, bands, labels), alone)
    ones = torch.ones(2)
    torch.testing.assert_close(alone, BceIou().totals(expected[:1], labels[:1], ones)[0])


def test_boxed_mask_is_scored_by_the_foreground_alone() -> None:
    matrix = confusion_matrix(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0]), 2)
    assert BoxedMask([1.0, 1.0], BceIou(), 1.0).score(scores(matrix)) == pytest.approx(1 / 3)


COMBINATIONS = [(name, None) for name in DECODERS] + [
    (name, chosen) for name in DECODERS for chosen in LOSSES
]


def judge_of(name: str, chosen: str | None) -> Objective:
    return objective(decoder(name), [1.0, 0.5], loss(chosen) if chosen else None)


@pytest.mark.parametrize(("name", "chosen"), COMBINATIONS)
def test_a_batch_without_labels_gives_zero_with_a_gradient(name: str, chosen: str | None) -> None:
    model = segmenter(name)
    bands, labels = chips(2)
    found = judge_of(name, chosen).loss(model, bands, torch.full_like(labels, IGNORED))
    assert float(found.detach()) == 0
    found.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize(("name", "chosen"), COMBINATIONS)
@torch.inference_mode()
def test_totals_and_weights_add_up_over_the_parts_of_a_batch(name: str, chosen: str | None) -> None:
    model = segmenter(name)
    bands, labels = chips(4)
    labels[0] = IGNORED
    labels[1, :30] = IGNORED
    labels[2][labels[2] == 1] = 0
    judge = judge_of(name, chosen)
    totals = [
        judge.totals(model, *part) for part in zip(bands.split(1), labels.split(1), strict=True)
    ]
    weights = [judge.weights(part) for part in labels.split(1)]
    torch.testing.assert_close(sum(totals), judge.totals(model, bands, labels))
    torch.testing.assert_close(sum(weights), judge.weights(labels))
    shared_out = normalised(torch.stack(totals).sum(0), torch.stack(weights).sum(0))
    torch.testing.assert_close(shared_out, judge.loss(model, bands, labels))
    assert shared_out > 0
    assert not totals[0].any()
    assert not weights[0].any()


@pytest.mark.parametrize("name", DECODERS)
def test_a_loss_of_ones_own_takes_the_place_of_the_published(name: str) -> None:
    model = segmenter(name)
    bands, labels = chips(2)
    with torch.inference_mode():
        logits = judge_of(name, "dice").logits(model, bands, labels)
    dice = loss("dice")
    weights = torch.tensor([1.0, 0.5])
    expected = normalised(dice.totals(logits, labels, weights), dice.weights(labels, weights))
    found = judge_of(name, "dice").loss(model, bands, labels)
    torch.testing.assert_close(found.detach(), expected)
    found.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert any(gradient.any() for gradient in gradients)
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", DECODERS)
def test_losses_are_computed_in_float32_under_autocast(name: str) -> None:
    model = segmenter(name)
    judge = judge_of(name, None)
    with torch.autocast("cpu", torch.bfloat16):
        totals = judge.totals(model, *chips(2))
    assert totals.dtype == torch.float32
    assert totals.isfinite().all()


@pytest.mark.parametrize(
    ("name", "expected", "published"),
    [
        ("classwise", DensePrediction, "cross-entropy"),
        ("mask-classification", SetPrediction, None),
        ("box-prompted", BoxedMask, "bce-iou"),
    ],
)
def test_each_decoder_has_its_published_objective(
    name: str, expected: type, published: str | None
) -> None:
    assert type(objective(decoder(name), [1.0, 1.0])) is expected
    chosen = default_loss(decoder(name))
    assert (chosen.name if chosen else None) == published
