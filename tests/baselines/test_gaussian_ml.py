import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from sarseg.baselines.gaussian_ml import GaussianMl, Gaussians
from sarseg.baselines.windows import window_means
from sarseg.errors import DatasetError
from tests.baselines.chips import Chips

MEANS = np.array([[-1.0, 0.5], [0.5, -0.5], [0.5, 1.5]])
COVARIANCES = np.array(
    [[[0.3, 0.1], [0.1, 0.2]], [[0.2, -0.1], [-0.1, 0.4]], [[1.0, 0.5], [0.5, 0.9]]]
)
SIZE = 48


def drawn(seed: int, classes: int = 3) -> tuple[Tensor, Tensor]:
    """A chip whose pixels are drawn from the Gaussians of their classes, one by one."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=(SIZE, SIZE))
    standard = generator.normal(size=(SIZE, SIZE, 2))
    factors = np.linalg.cholesky(COVARIANCES)[labels]
    bands = MEANS[labels] + np.einsum("hwfg,hwg->hwf", factors, standard)
    return torch.from_numpy(bands.astype(np.float32)).permute(2, 0, 1), torch.from_numpy(labels)


def fitted(pairs: list[tuple[Tensor, Tensor]], classes: int = 3, window: int = 1) -> Gaussians:
    gaussians = GaussianMl(window=window).build(2, classes)
    gaussians.fit(Chips(pairs))
    return gaussians


def covariances_of(gaussians: Gaussians) -> np.ndarray:
    found: np.ndarray = torch.linalg.inv(gaussians.whitening.mT @ gaussians.whitening).numpy()
    return found


def test_classes_drawn_from_gaussians_are_recovered_and_told_apart_as_scipy_does() -> None:
    gaussians = fitted([drawn(seed) for seed in range(6)])
    np.testing.assert_allclose(gaussians.means, MEANS, atol=0.05)
    covariances = covariances_of(gaussians)
    np.testing.assert_allclose(covariances, COVARIANCES, atol=0.06)
    bands, labels = drawn(99)
    pixels = bands.permute(1, 2, 0).numpy()
    densities = np.stack(
        [
            multivariate_normal(mean, covariance).logpdf(pixels)
            for mean, covariance in zip(gaussians.means.numpy(), covariances, strict=True)
        ]
    )
    logits = gaussians(bands[None])[0]
    assert logits.dtype == torch.float32
    assert (logits.argmax(0).numpy() == densities.argmax(0)).all()
    posterior = densities - np.logaddexp.reduce(densities, axis=0)
    np.testing.assert_allclose(logits.numpy(), np.maximum(posterior, -14.0), atol=1e-4)
    assert (logits.argmax(0) == labels).float().mean() > 0.75


def test_scaling_the_bands_changes_no_class() -> None:
    def scaled(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return pair[0] * torch.tensor([3.0, 0.2])[:, None, None] + 7.0, pair[1]

    pairs, shown = [drawn(1), drawn(2)], drawn(3)
    plain = fitted(pairs, window=5)(shown[0][None])
    other = fitted([scaled(pair) for pair in pairs], window=5)(scaled(shown)[0][None])
    assert torch.equal(plain.argmax(1), other.argmax(1))


def test_a_class_without_pixels_is_never_predicted() -> None:
    logits = fitted([drawn(0)], classes=5)(drawn(1)[0][None] * 50.0)
    assert torch.isfinite(logits).all()
    assert (logits[:, 3:] == logits.min()).all()
    assert set(logits.argmax(1).unique().tolist()) <= {0, 1, 2}


def test_a_class_of_few_pixels_has_the_pooled_covariance() -> None:
    bands, labels = drawn(0, classes=2)
    labels[3, 4], labels[3, 5] = 2, 2  # from two pixels follows no covariance
    gaussians = fitted([(bands, labels)])
    found = covariances_of(gaussians)
    own = [np.cov(bands[:, labels == index].numpy(), bias=True) for index in range(3)]
    pooled = np.average(own, axis=0, weights=torch.bincount(labels.flatten()))
    np.testing.assert_allclose(found, [own[0], own[1], pooled], rtol=1e-4)
    np.testing.assert_allclose(gaussians.means[2], bands[:, 3, 4:6].mean(1), rtol=1e-6)


@pytest.mark.parametrize(("side", "enough"), [(15, False), (16, True)])
def test_a_windows_worth_of_neighbouring_means_counts_as_one(side: int, enough: bool) -> None:
    bands, labels = drawn(0, classes=2)
    labels[:side, :side] = 2  # two bands need more than three times 81 pixels
    found = covariances_of(fitted([(bands, labels)], window=9))
    means = window_means(bands[None], 9)[0]
    own = [np.cov(means[:, labels == index].numpy(), bias=True) for index in range(3)]
    pooled = np.average(own, axis=0, weights=torch.bincount(labels.flatten()))
    np.testing.assert_allclose(found[2], own[2] if enough else pooled, rtol=1e-4)


def test_bands_that_are_constant_or_the_same_still_give_numbers() -> None:
    bands, labels = drawn(0)
    for second in (torch.full_like(bands[0], 2.0), bands[0]):
        shown = torch.stack([bands[0], second])
        logits = fitted([(shown, labels)])(shown[None])
        assert torch.isfinite(logits).all()
        assert len(logits.argmax(1).unique()) == 3


def test_pixels_without_value_or_label_are_left_out() -> None:
    bands, labels = drawn(0)
    bad, unlabelled = bands.clone(), labels.clone()
    bad[:, :8] = 0.0
    unlabelled[8:16] = 255
    changed = bad.clone()
    changed[:, 8:16] += 1000.0
    found = fitted([(changed, unlabelled)])
    rest = fitted([(bands[:, 16:], labels[16:])])
    assert torch.equal(found.means, rest.means)
    assert torch.equal(found.whitening, rest.whitening)


def test_no_label_at_all_is_said() -> None:
    bands, labels = drawn(0)
    with pytest.raises(DatasetError, match="gaussian-ml cannot be fitted: no valid pixel"):
        fitted([(bands, torch.full_like(labels, 255))])
