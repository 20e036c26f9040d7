import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sarseg.suggestion.ranking import ranked


def mixtures(rng: np.random.Generator, number: int) -> np.ndarray:
    shares = rng.random((number, 4)) ** 3 + 1e-9
    return shares / shares.sum(axis=1, keepdims=True)


@given(number=st.integers(1, 30), count=st.integers(1, 35), seed=st.integers(0, 99))
def test_every_choice_is_the_best_that_is_left(number: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    entropy, shares = rng.random(number), mixtures(rng, number)
    chosen, scores = ranked(entropy, shares, count)
    assert len(chosen) == len(scores) == min(count, number)
    assert len(set(chosen.tolist())) == len(chosen)
    assert chosen[0] == entropy.argmax()
    assert (np.diff(scores) <= 0).all()
    for place in range(1, len(chosen)):
        before, others = chosen[:place], np.setdiff1d(np.arange(number), chosen[:place])
        overlap = np.sqrt(shares[others][:, None] * shares[before]).sum(axis=2)
        apart = np.sqrt(np.maximum(1 - overlap, 0)).min(axis=1)  # Hellinger's distance
        worth = dict(zip(others.tolist(), entropy[others] * apart, strict=True))
        assert np.isclose(worth[int(chosen[place])], max(worth.values()), atol=1e-6)
        assert np.isclose(scores[place], max(worth.values()), atol=1e-6)


def test_another_doubt_comes_before_more_of_the_same() -> None:
    entropy = np.array([0.9, 0.89, 0.88, 0.5, 0.1])
    shares = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0.52, 0.48, 0], [0, 0.5, 0.5], [0, 0, 1]])
    chosen, _ = ranked(entropy, shares, 5)
    assert chosen[:3].tolist() == [0, 3, 4]


def test_of_what_is_nothing_new_the_greatest_doubt_comes_first() -> None:
    entropy = np.array([0.5, 0.1, 0.9, 0.7])
    chosen, scores = ranked(entropy, np.full((4, 2), 0.5), 4)
    assert chosen.tolist() == [2, 3, 0, 1]
    assert scores.tolist() == [0.9, 0, 0, 0]
