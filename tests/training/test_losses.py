"""Losses against float64 numpy written from the formulas, pixel by pixel."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from sarseg.datasets.fusar import RELEASES
from sarseg.errors import ModelError, UsageError
from sarseg.training.losses import LOSSES, loss
from sarseg.training.losses.base import Loss
from sarseg.training.objectives.base import normalised

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

IGNORED = 255
TWO_CLASSES = {"structure", "bce-iou"}
SIDE = 20


def softmax(logits: Array) -> Array:
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def pixels_of(logits: Array, labels: Labels) -> list[tuple[Array, int]]:
    """Probabilities and label of each labelled pixel of an image."""
    return [
        (softmax(logits[:, row, col]), int(labels[row, col]))
        for row, col in np.ndindex(labels.shape)
        if labels[row, col] != IGNORED
    ]


def cross_entropy(
    logits: Array, labels: Labels, weights: Sequence[float], gamma: float = 0.0
) -> float:
    pixels = [pixel for image in zip(logits, labels, strict=True) for pixel in pixels_of(*image)]
    total = sum(-weights[k] * (1 - p[k]) ** gamma * math.log(p[k]) for p, k in pixels)
    weight = sum(weights[k] for _, k in pixels)
    return float(total / weight) if weight else 0.0


def mean_of_images(
    of_class: Callable[[list[tuple[Array, int]], int], float],
    logits: Array,
    labels: Labels,
    weights: Sequence[float],
) -> float:
    """Mean over images of the weighted mean over the classes that each holds."""
    losses = []
    for image in zip(logits, labels, strict=True):
        pixels = pixels_of(*image)
        held = {k for _, k in pixels}
        weight = sum(weights[k] for k in held)
        if weight:
            losses.append(sum(weights[k] * of_class(pixels, k) for k in held) / weight)
    return float(np.mean(losses)) if losses else 0.0


def dice_of_class(pixels: list[tuple[Array, int]], k: int) -> float:
    shared = sum(p[k] for p, true in pixels if true == k)
    return float(1 - 2 * shared / sum(p[k] + (true == k) for p, true in pixels))


def lovasz_of_class(pixels: list[tuple[Array, int]], k: int) -> float:
    """Berman et al. 2018, equation 8 and algorithm 1: the worst errors first."""
    errors = sorted(((abs((true == k) - p[k]), true == k) for p, true in pixels), reverse=True)
    size = sum(true for _, true in errors)

    def jaccard_loss(wrong: int) -> float:
        """``1 - IoU`` where the pixels of the ``wrong`` worst errors are mistaken."""
        missed = sum(true for _, true in errors[:wrong])
        return 1 - (size - missed) / (size + wrong - missed)

    return float(
        sum(error * (jaccard_loss(i + 1) - jaccard_loss(i)) for i, (error, _) in enumerate(errors))
    )


def mask_loss(logits: Array, labels: Labels, boundary: float, smooth: float) -> float:
    losses = []
    for image, truth in zip(logits, labels, strict=True):
        bce = weight = shared = union = 0.0
        for row, col in np.ndindex(truth.shape):
            if truth[row, col] == IGNORED:
                continue
            t = float(truth[row, col])
            window = [
                truth[r, c] if 0 <= r < SIDE and 0 <= c < SIDE else 0
                for r in range(row - 15, row + 16)
                for c in range(col - 15, col + 16)
            ]
            w = 1 + boundary * abs(np.mean([x for x in window if x != IGNORED]) - t)
            p = softmax(image[:, row, col])[1]
            bce -= w * math.log(p if t else 1 - p)
            weight += w
            shared += w * p * t
            union += w * (p + t - p * t)
        if weight:
            losses.append(bce / weight + 1 - (shared + smooth) / (union + smooth))
    return float(np.mean(losses)) if losses else 0.0


CASES: list[tuple[str, dict[str, Any], int, Callable[[Array, Labels, Sequence[float]], float]]] = [
    ("cross-entropy", {}, 3, cross_entropy),
    ("focal", {}, 3, lambda x, y, w: cross_entropy(x, y, w, 2.0)),
    ("focal", {"gamma": 0.5}, 3, lambda x, y, w: cross_entropy(x, y, w, 0.5)),
    ("dice", {}, 3, lambda *given: mean_of_images(dice_of_class, *given)),
    ("lovasz", {}, 3, lambda *given: mean_of_images(lovasz_of_class, *given)),
    (
        "ce-dice",
        {"cross_entropy": 0.3, "dice": 2.0},
        3,
        lambda *given: 0.3 * cross_entropy(*given) + 2 * mean_of_images(dice_of_class, *given),
    ),
    ("structure", {}, 2, lambda x, y, _: mask_loss(x, y, 5, 1)),
    ("bce-iou", {}, 2, lambda x, y, _: mask_loss(x, y, 0, 1e-3)),
]


def test_every_loss_has_its_formula_here() -> None:
    assert {name for name, *_ in CASES} == set(LOSSES)


@pytest.mark.parametrize("ignored", [0.0, 0.4])
@pytest.mark.parametrize(("name", "chosen", "classes", "formula"), CASES)
def test_a_loss_is_its_formula(
    name: str,
    chosen: dict[str, Any],
    classes: int,
    formula: Callable[[Array, Labels, Sequence[float]], float],
    ignored: float,
) -> None:
    generator = np.random.default_rng(5)
    logits = generator.normal(0, 2, (4, classes, SIDE, SIDE))
    labels = generator.integers(0, classes, (4, SIDE, SIDE))
    labels[generator.random(labels.shape) < ignored] = IGNORED
    labels[1][labels[1] == 1] = 0  # a class absent from an image
    labels[2] = IGNORED
    labels[3][3:16, 5:18] = 1  # a patch, with pixels far from its outline
    weights = [1.0] * classes if name in TWO_CLASSES else [0.5, 2.0, 1.2]
    judge = loss(name, chosen)
    given = torch.from_numpy(logits), torch.from_numpy(labels), torch.tensor(weights).double()
    found = normalised(judge.totals(*given), judge.weights(*given[1:]))
    assert float(found) == pytest.approx(formula(logits, labels, weights), rel=1e-6)
    single = judge.totals(given[0].float(), given[1], given[2].float())
    torch.testing.assert_close(single.double(), judge.totals(*given), rtol=1e-4, atol=1e-4)


def test_published_class_weights_of_fusar_map() -> None:
    weights = torch.tensor(RELEASES["fusar"].published_weights)
    logits = torch.zeros(1, 5, 1, 3)
    logits[0, 0, 0, 0] = math.log(4)  # P(building) = 4 / 8; everything else has 1 / 5
    labels = torch.tensor([[[0, 3, IGNORED]]])  # building weighs 1.5, road 1.9
    judge = loss("cross-entropy")
    found = normalised(judge.totals(logits, labels, weights), judge.weights(labels, weights))
    assert float(found) == pytest.approx((1.5 * math.log(2) + 1.9 * math.log(5)) / 3.4)
    assert float(judge.weights(labels, weights)) == pytest.approx(3.4)


def batch(seed: int, name: str, size: int, ignored: float) -> tuple[Tensor, Tensor, Tensor]:
    """Random logits ``(size, K, 8, 8)``, labels and class weights, in float64."""
    classes = 2 if name in TWO_CLASSES else 3
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(size, classes, 8, 8, generator=generator, dtype=torch.double)
    labels = torch.randint(0, classes, (size, 8, 8), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < ignored] = IGNORED
    labels[torch.rand(size, generator=generator) < 0.3] = IGNORED
    weights = torch.ones(classes) if name in TWO_CLASSES else torch.tensor([0.0, 0.7, 2.0])
    return logits, labels, weights.double()


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 3), ignored=st.sampled_from([0.0, 0.5, 0.98]))
@settings(max_examples=15, deadline=None)
def test_totals_and_weights_add_up_over_the_parts_of_a_batch(
    name: str, seed: int, cut: int, ignored: float
) -> None:
    logits, labels, weights = batch(seed, name, 4, ignored)
    judge = loss(name)
    parts = [slice(0, cut), slice(cut, 4)]
    torch.testing.assert_close(
        sum(judge.totals(logits[part], labels[part], weights) for part in parts),
        judge.totals(logits, labels, weights),
    )
    torch.testing.assert_close(
        sum(judge.weights(labels[part], weights) for part in parts),
        judge.weights(labels, weights),
    )


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_labelled_gives_zero_with_a_gradient(name: str) -> None:
    logits, labels, weights = batch(6, name, 2, 0.0)
    labels.fill_(IGNORED)
    judge = loss(name)
    totals = judge.totals(logits.requires_grad_(), labels, weights)
    assert not judge.weights(labels, weights).any()
    assert not totals.any()
    totals.sum().backward()
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - TWO_CLASSES))
def test_classes_without_weight_do_not_count(name: str) -> None:
    logits, labels, weights = batch(6, name, 2, 0.0)
    labels[0] = 0  # the class that weighs nothing, and nothing else
    labels[1] = 1
    judge = loss(name)
    alone = judge.totals(logits[1:], labels[1:], weights)
    torch.testing.assert_close(judge.totals(logits, labels, weights), alone)
    torch.testing.assert_close(judge.weights(labels, weights), judge.weights(labels[1:], weights))


@pytest.mark.parametrize("name", LOSSES)
def test_only_labelled_pixels_have_a_gradient(name: str) -> None:
    logits, labels, weights = batch(7, name, 3, 0.4)
    labels[0] = torch.arange(8) % 2  # some image is labelled for certain
    labels[1] = IGNORED
    labels[0, :3] = IGNORED
    weights = torch.ones_like(weights)
    loss(name).totals(logits.requires_grad_(), labels, weights).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    moved = logits.grad.any(dim=1)
    assert not moved[labels == IGNORED].any()
    assert moved[labels != IGNORED].any()
    # what a network says where nothing is labelled changes nothing, however wild
    changed = logits.detach().clone().movedim(1, -1)
    changed[labels == IGNORED] = torch.tensor([1e4, *[-1e4] * (len(weights) - 1)]).double()
    torch.testing.assert_close(
        loss(name).totals(changed.movedim(-1, 1), labels, weights),
        loss(name).totals(logits.detach(), labels, weights),
    )


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_the_formula(name: str) -> None:
    logits, labels, weights = batch(8, name, 2, 0.2)
    assert (labels != IGNORED).any()
    small = logits[..., :4, :4].clone().requires_grad_()
    judge = loss(name)
    assert torch.autograd.gradcheck(
        lambda x: judge.totals(x, labels[..., :4, :4], weights), (small,)
    )


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("right", [True, False])
def test_extreme_logits_stay_finite(name: str, *, right: bool) -> None:
    _, labels, weights = batch(9, name, 3, 0.2)
    classes = len(weights)
    favoured = labels if right else (labels + 1) % classes
    favoured = favoured.where(labels != IGNORED, 0)
    one_hot = torch.nn.functional.one_hot(favoured, classes).movedim(-1, 1)
    logits = (1e4 * (2 * one_hot - 1)).float().requires_grad_()
    judge = loss(name)
    weights = torch.ones(classes)
    totals = judge.totals(logits, labels, weights)
    totals.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    found = float(normalised(totals, judge.weights(labels, weights)).detach())
    assert found < 1e-3 if right else 0.5 < found < math.inf


def test_focal_without_focus_is_cross_entropy() -> None:
    given = batch(10, "focal", 3, 0.3)
    torch.testing.assert_close(
        loss("focal", {"gamma": 0.0}).totals(*given), loss("cross-entropy").totals(*given)
    )


@pytest.mark.parametrize("name", LOSSES)
def test_what_a_loss_cannot_judge_is_refused(name: str) -> None:
    judge: Loss = loss(name)
    judge.check(2, weighted=False)
    if name not in TWO_CLASSES:
        judge.check(7, weighted=True)
        return
    with pytest.raises(UsageError, match=rf"{name} .* two classes, not 7.*--foreground"):
        judge.check(7, weighted=False)
    with pytest.raises(UsageError, match=rf"{name} weighs no classes: leave out --class-weights"):
        judge.check(2, weighted=True)


@pytest.mark.parametrize(
    ("name", "chosen", "sentence"),
    [
        ("lovas", {}, "There is no loss 'lovas' (did you mean 'lovasz'?); choose one of: bce-iou"),
        ("focal", {"gama": 1}, "The loss focal has no setting 'gama'; did you mean 'gamma'?"),
        ("focal", {"gamma": -1}, "The setting gamma of the loss focal is -1"),
        ("dice", {"smooth": 1}, "The loss dice has no settings, so no 'smooth' either."),
    ],
)
def test_wrong_names_and_settings_are_refused(
    name: str, chosen: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ModelError) as caught:
        loss(name, chosen)
    assert str(caught.value).startswith(sentence)
