"""Class probabilities of tiles: precision, views, threads."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sarseg.adapters import method
from sarseg.datasets.augment import turned
from sarseg.decoders import decoder
from sarseg.errors import ModelError, UsageError
from sarseg.filters.preparation import prepare_window
from sarseg.model.device import computes_bfloat16
from sarseg.model.file import LoadedModel, load_model
from sarseg.model.segmenter import Segmenter
from sarseg.prediction.fit import picks_of
from sarseg.prediction.forward import (
    Forward,
    Precision,
    Views,
    choose_precision,
    class_probabilities,
)
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window
from tests.sam.test_encoder import SMALL, randomise
from tests.toy import CLASSES, Constant, toy_card, toy_model

SAMPLE = Path(__file__).parents[2] / "sample_data" / "scene.tif"
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
SEEN: dict[Views, tuple[int, ...]] = {"none": (0,), "flips": (0, 2, 4, 6), "turns": tuple(range(8))}
"""Which of ``turned`` each choice of views shows the model; 2 is half a turn, both mirrors."""

views = st.sampled_from(list(SEEN))


class Slanted(nn.Module):
    """Logits that no flip and no turn leaves as they are: they grow to the lower right."""

    def forward(self, bands: Tensor) -> Tensor:
        side = bands.shape[-1]
        down = torch.linspace(0, 2, side)[:, None].expand(side, side)
        first, second = bands[:, :1], bands[:, 1:2]
        return torch.cat([first + down, second * down.T, first - second], dim=1)


def tiles(number: int, side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((number, 2, side, side), np.float32)


def turned_back(array: np.ndarray, number: int) -> np.ndarray:
    """Mirror images of a square are their own inverse."""
    return turned(array, (-number) % 4 if number < 4 else number)


@cache
def small_model(decoder_name: str = "classwise") -> LoadedModel:
    """A segmenter of SAM's parts with random weights, for tiles of 80 pixels."""
    card = toy_card(tile_size=80)
    if decoder_name == "box-prompted":
        card = card.model_copy(update={"classes": CLASSES[:2], "decoder": decoder_name})
    segmenter = Segmenter(
        SMALL, method("lora"), decoder(decoder_name), card.inputs, len(card.classes)
    )
    randomise(segmenter, 3)
    return toy_model(segmenter, card)


def test_probabilities_are_the_softmax_of_the_logits() -> None:
    bands = tiles(3, 64)
    found = Forward(toy_model(Slanted())).probabilities(bands)
    exponentials = np.exp(Slanted()(torch.from_numpy(bands)).double().numpy())
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found, exponentials / exponentials.sum(axis=1, keepdims=True), atol=1e-6
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 20.0])
def test_logits_are_divided_by_the_temperature(temperature: float) -> None:
    card = toy_card().model_copy(update={"temperature": temperature})
    model = toy_model(Constant([1.0, 0.0, -1e9]), card)
    found = Forward(model).probabilities(tiles(1, 64))
    np.testing.assert_allclose(found[:, 0], 1 / (1 + np.exp(-1 / temperature)), rtol=1e-6)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("logit", [float("nan"), float("inf")])
def test_answers_that_are_no_numbers_are_refused(precision: Precision, logit: float) -> None:
    model = toy_model(Constant([0.0, logit, 0.0]))
    with pytest.raises(ModelError, match="no numbers"):
        Forward(model, precision, "flips").probabilities(tiles(1, 64))


@settings(deadline=None, max_examples=30)
@given(views, st.integers(1, 3), st.sampled_from([1, 2, 5, 16, 33]), st.integers(0, 9))
def test_views_change_nothing_of_a_model_that_looks_at_pixels(
    views: Views, number: int, side: int, seed: int
) -> None:
    bands = tiles(number, side, seed)
    once = Forward(toy_model()).probabilities(bands)
    np.testing.assert_allclose(
        Forward(toy_model(), views=views).probabilities(bands), once, atol=1e-6
    )


@settings(deadline=None, max_examples=30)
@given(views, st.integers(1, 3), st.sampled_from([1, 2, 5, 16, 33]), st.integers(0, 9))
def test_the_answer_is_the_mean_over_the_views(
    views: Views, number: int, side: int, seed: int
) -> None:
    bands = tiles(number, side, seed)
    model = toy_model(Slanted())
    alone = Forward(model)
    answers = [turned_back(alone.probabilities(turned(bands, view)), view) for view in SEEN[views]]
    found = Forward(model, views=views).probabilities(bands)
    np.testing.assert_allclose(found, np.mean(answers, axis=0), atol=1e-6)


def test_views_are_shown_one_after_the_other() -> None:
    """The memory needed is that of one view."""
    shapes = []

    class Noted(Slanted):
        def forward(self, bands: Tensor) -> Tensor:
            shapes.append(tuple(bands.shape))
            return super().forward(bands)

    Forward(toy_model(Noted()), views="turns").probabilities(tiles(2, 64))
    assert shapes == [(2, 2, 64, 64)] * 8


def test_a_decoder_that_takes_boxes_is_given_them() -> None:
    model = small_model("box-prompted")
    bands = tiles(2, 80)
    boxes = [np.array([[5.0, 5.0, 30.0, 40.0]]), np.array([[0.0, 0, 79, 79], [9, 9, 20, 20]])]
    found = Forward(model).probabilities(bands, boxes)
    with torch.inference_mode():
        logits = model.segmenter(torch.from_numpy(bands), [torch.from_numpy(b) for b in boxes])
    np.testing.assert_allclose(found, class_probabilities(logits, model.card), atol=1e-6)
    moved = Forward(model).probabilities(bands, [boxes[0] + 30, boxes[1]])
    assert np.abs(moved - found)[0].max() > 1e-4
    np.testing.assert_allclose(moved[1], found[1], atol=1e-6)


@pytest.mark.parametrize("views", ["flips", "turns"])
def test_a_decoder_that_takes_boxes_has_one_view(views: Views) -> None:
    with pytest.raises(UsageError, match=f"--tta {views}.*box-prompted"):
        Forward(small_model("box-prompted"), views=views)


def test_bfloat16_is_near_float32_but_not_the_same() -> None:
    bands = tiles(2, 80)
    exact = Forward(small_model()).probabilities(bands)
    rounded = Forward(small_model(), "bfloat16").probabilities(bands)
    assert rounded.dtype == np.float32
    assert 1e-6 < np.abs(rounded - exact).max() < 0.1
    np.testing.assert_allclose(rounded.sum(axis=1), 1, atol=1e-5)  # the softmax is not rounded


def test_the_shipped_model_finds_the_same_classes_in_bfloat16() -> None:
    model = load_model()
    side = model.card.tile_size
    with Scene.open([SAMPLE]) as scene:
        bands, _ = prepare_window(
            scene,
            Window(0, 0, side, side),
            model.card.preparation,
            picks_of(scene, model.card),
            model.device,
        )
    maps = [
        Forward(model, precision).probabilities(bands[None])[0].argmax(axis=0)
        for precision in PRECISIONS
    ]
    assert len(np.unique(maps[0])) >= 3
    assert (maps[0] == maps[1]).mean() >= 0.995


def test_float32_is_float32_whatever_is_around_it() -> None:
    bands = tiles(1, 80)
    exact = Forward(small_model()).probabilities(bands)
    with torch.autocast("cpu", torch.bfloat16):
        within = Forward(small_model()).probabilities(bands)
    np.testing.assert_array_equal(within, exact)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_any_thread_may_ask(precision: Precision) -> None:
    batches = [tiles(1, 80, seed) for seed in range(6)]
    forward = Forward(small_model(), precision, "flips")
    expected = [forward.probabilities(batch) for batch in batches]
    states = []

    def answer(batch: np.ndarray) -> np.ndarray:
        found = forward.probabilities(batch)
        states.append((torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")))
        return found

    with ThreadPoolExecutor(3) as pool:
        for found, wanted in zip(pool.map(answer, batches), expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert states == [(True, False)] * 6  # nothing is left behind in the thread


def test_a_full_memory_is_passed_on() -> None:
    class Full(nn.Module):
        def forward(self, bands: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        Forward(toy_model(Full())).probabilities(tiles(1, 64))


@pytest.mark.parametrize("wanted", PRECISIONS)
def test_a_precision_that_is_given_is_taken(wanted: Precision) -> None:
    assert choose_precision(wanted, "cpu") == wanted


def test_bfloat16_is_chosen_where_the_device_computes_in_it() -> None:
    chosen = choose_precision("auto", "cpu")
    assert chosen == ("bfloat16" if computes_bfloat16("cpu") else "float32")
