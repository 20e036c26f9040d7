"""Distances and spectra, against what can be known of them."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from sarseg.adapters import METHODS, method
from sarseg.analysis.attention_distance import distances_looked
from sarseg.analysis.spectrum import log_amplitudes, relative
from sarseg.analysis.watching import watched
from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.attention import FusedAttention
from sarseg.sam.encoder import ImageEncoder

DIM, HEADS = 24, 3


def attention(height: int, width: int, spread: float) -> FusedAttention:
    """Random; without ``spread`` all keys get the same."""
    layer = FusedAttention(DIM, HEADS, use_rel_pos=True, input_size=(height, width))
    generator = torch.Generator().manual_seed(0)
    for parameter in layer.parameters():
        parameter.data.normal_(std=spread, generator=generator)
    return layer


def quotient(found: tuple[Tensor, Tensor]) -> np.ndarray:
    return np.asarray((found[0] / found[1]).detach())


def uniform_distance(height: int, width: int) -> float:
    places = list(product(range(height), range(width)))
    return float(np.mean([np.hypot(a - c, b - d) for (a, b), (c, d) in product(places, places)]))


def test_even_attention_looks_as_far_as_places_lie_apart() -> None:
    layer = attention(5, 7, 0.0)
    x, asking = torch.randn(2, 5, 7, DIM), torch.ones(2, 5, 7, dtype=torch.bool)
    expected = uniform_distance(5, 7)
    np.testing.assert_allclose(quotient(distances_looked(layer, x, asking)), expected, rtol=1e-5)
    # tokens without a place take weight, and change no distance
    extra = torch.randn(4, DIM)
    found = distances_looked(layer, x, asking, extra)
    np.testing.assert_allclose(quotient(found), expected, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(found[1].detach()), 2 * 35 * 35 / 39, rtol=1e-5)


def test_distances_are_those_of_the_weights() -> None:
    layer = attention(4, 3, 0.5)
    x = torch.randn(2, 4, 3, DIM, generator=torch.Generator().manual_seed(1))
    asking = torch.rand(2, 4, 3, generator=torch.Generator().manual_seed(2)) > 0.4
    weights = torch.stack(list(layer.weights(x)), dim=2).detach().numpy()  # (B, heads, H, W, M)
    total, weight = np.zeros(HEADS), np.zeros(HEADS)
    for image, row, col in np.argwhere(asking.numpy()):
        for other_row, other_col in np.argwhere(asking[image].numpy()):
            share = weights[image, :, row, col, 3 * other_row + other_col]
            total += share * np.hypot(row - other_row, col - other_col)
            weight += share
    found = quotient(distances_looked(layer, x, asking))
    np.testing.assert_allclose(found, total / weight, rtol=1e-5)
    assert found.std() > 0.01


def test_a_wave_is_found_at_its_frequency() -> None:
    rows, cols = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    wave = torch.cos(2 * torch.pi * 3 * (rows + cols) / 16)
    found = log_amplitudes(torch.stack([wave, 2 * wave]))
    assert found.shape == (9,)
    assert found.argmax() == 3
    expected = (np.log(0.5 + 1e-6) + np.log(1.0 + 1e-6)) / 2
    assert found[3] == pytest.approx(expected, abs=1e-6)
    assert found[[0, 1, 2, 4, 5, 6, 7, 8]].max() < np.log(1e-5)


def test_noise_is_even_and_what_is_smooth_is_not() -> None:
    noise = torch.randn(400, 32, 32, generator=torch.Generator().manual_seed(0))
    flat = relative(log_amplitudes(noise))
    assert flat[0] == 0
    # zero and the highest frequency are real, the others complex: the mean logarithm of chi squared
    # with one degree of freedom is ln 2 less than that of half of one with two
    np.testing.assert_allclose(flat[1:-1], np.log(2) / 2, atol=0.2)
    assert abs(flat[-1]) < 0.2
    smooth = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    assert relative(log_amplitudes(smooth))[-1] < -1.5


SIZES = SamArchitecture(
    image_size=80,
    patch_size=16,
    embed_dim=DIM,
    depth=3,
    num_heads=HEADS,
    global_attn_indexes=(1,),
    window_size=2,
    out_chans=8,
)


def encoder(spread: float) -> ImageEncoder:
    made = ImageEncoder(SIZES).eval()
    generator = torch.Generator().manual_seed(3)
    for parameter in made.parameters():
        parameter.data.normal_(std=spread, generator=generator)
    return made


def test_an_encoder_is_watched_block_by_block() -> None:
    images = [torch.randn(3, 80, 80, generator=torch.Generator().manual_seed(n)) for n in (0, 1)]
    made = encoder(0.1)
    plain = [made(image[None]) for image in images]
    found = watched(made, images)
    assert found.distances.shape == (3, HEADS)
    assert found.spectra.shape == (3, 3)
    assert (found.distances[[0, 2]] < 16 * 2**0.5).all()  # within windows of 2 x 2 tokens
    assert (found.distances[1] > 16 * 2**0.5).all()
    assert (found.spectra[:, 0] == 0).all()
    # nothing is left behind
    assert all(not module._forward_hooks for module in made.modules())
    assert all(
        torch.equal(made(image[None]), one) for image, one in zip(images, plain, strict=True)
    )
    one, other = (watched(made, [image]) for image in images)
    mean = (one.distances + other.distances) / 2
    torch.testing.assert_close(found.distances, mean, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.spectra, (one.spectra + other.spectra) / 2)


def test_padding_of_windows_does_not_count() -> None:
    """5 x 5 tokens fill 9 windows of 2 x 2, of which 11 places hold none. With even attention,
    each token looks at those of its own window."""
    found = watched(encoder(0.0), [torch.randn(3, 80, 80)])
    apart = [
        np.hypot(a - c, b - d)
        for (a, b), (c, d) in product(product(range(5), repeat=2), repeat=2)
        if (a // 2, b // 2) == (c // 2, d // 2)
    ]
    inside, whole = 16 * float(np.mean(apart)), 16 * uniform_distance(5, 5)
    expected = np.repeat([[inside], [whole], [inside]], HEADS, axis=1)
    np.testing.assert_allclose(found.distances, expected, rtol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_watched(name: str) -> None:
    made = encoder(0.1)
    method(name).install(made)
    generator = torch.Generator().manual_seed(4)
    for parameter in made.parameters():
        parameter.data.normal_(std=0.1, generator=generator)
    images = [torch.randn(3, 80, 80, generator=generator)]
    with torch.inference_mode():
        plain = made.eval()(images[0][None])
        found = watched(made, images)
        assert torch.equal(made(images[0][None]), plain)
    assert found.distances.shape == (3, HEADS)
    assert ((found.distances > 0) & (found.distances < 16 * 4 * 2**0.5)).all()
    assert found.spectra.isfinite().all()
