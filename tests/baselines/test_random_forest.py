import numpy as np
import pytest
import torch
from torch import Tensor

from sarseg.baselines import baseline
from sarseg.baselines.random_forest import Forest, RandomForest
from sarseg.errors import DatasetError, ModelError
from tests.baselines.chips import Chips

SIZE = 48
FEW = {"trees": 15, "samples": 300}


def textured(seed: int) -> tuple[Tensor, Tensor]:
    """A chip in halves that differ by their variance alone."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.zeros(SIZE, SIZE, dtype=torch.long)
    labels[:, SIZE // 2 :] = 1
    bands = torch.randn(2, SIZE, SIZE, generator=generator) * torch.where(labels == 1, 2.0, 0.5)
    return bands, labels


def fitted(pairs: list[tuple[Tensor, Tensor]], classes: int = 2, **settings: object) -> Forest:
    forest = RandomForest(**{**FEW, **settings}).build(2, classes)  # type: ignore[arg-type]
    forest.fit(Chips(pairs))
    return forest


def test_a_difference_of_texture_alone_is_learnt() -> None:
    forest = fitted([textured(0), textured(1)])
    bands, labels = textured(2)
    logits = forest(torch.stack([bands, bands.flip(-1)]))
    assert logits.shape == (2, 2, SIZE, SIZE)
    assert logits.dtype == torch.float32
    right = logits.argmax(1) == torch.stack([labels, labels.flip(-1)])
    assert right.float().mean() > 0.95
    values_alone = fitted([textured(0), textured(1)], windows=(1,))
    assert (values_alone(bands[None]).argmax(1)[0] == labels).float().mean() < 0.9


def test_logits_are_finite_log_probabilities_and_unseen_classes_last() -> None:
    logits = fitted([textured(0)], classes=4)(textured(1)[0][None])
    assert torch.isfinite(logits).all()
    np.testing.assert_allclose(logits.exp().sum(1), 1.0, atol=1e-5)
    assert (logits[:, 2:] == logits.min()).all()


def test_the_seed_determines_the_forest() -> None:
    shown = textured(9)[0][None]
    pairs = [textured(0), textured(1)]
    one, same, other = (fitted(pairs, seed=seed)(shown) for seed in (4, 4, 5))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_samples_are_drawn_alike_from_all_chips_and_no_more_than_wanted() -> None:
    # the first band says which chip a pixel is of, so trees see where their samples came from
    pairs = [
        (torch.full((2, 16, 16), float(number)), torch.zeros(16, 16).long()) for number in (1, 2, 3)
    ]
    forest = RandomForest(trees=1, samples=120, windows=(1,)).build(2, 1)
    seen: list[np.ndarray] = []
    fit = forest.trees.fit
    forest.trees.fit = lambda features, classes: (seen.append(features), fit(features, classes))
    forest.fit(Chips(pairs))
    values, counts = np.unique(seen[0][:, 0], return_counts=True)
    assert values.tolist() == [1.0, 2.0, 3.0]
    assert counts.sum() == 120
    assert (counts > 20).all()


def test_invalid_pixels_teach_nothing() -> None:
    bands, labels = textured(0)
    bands[:, :, :10] = 0.0
    labels[:, :10] = 1
    forest = fitted([(bands, labels)])
    shown, truth = textured(1)
    assert (forest(shown[None]).argmax(1)[0] == truth).float().mean() > 0.93


def test_no_label_at_all_is_said() -> None:
    bands, labels = textured(0)
    with pytest.raises(DatasetError, match="random-forest cannot be fitted: no valid pixel"):
        fitted([(bands, torch.full_like(labels, 255))])


def test_a_window_without_a_middle_is_refused() -> None:
    with pytest.raises(ModelError, match=r"windows\.1 of the baseline random-forest is 4: .* odd"):
        baseline("random-forest", {"windows": [1, 4]})
