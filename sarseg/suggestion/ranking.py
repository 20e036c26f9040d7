"""Which squares to label first: those that the model is unsure of, each in another way."""

import numpy as np
from numpy.typing import NDArray


def ranked(
    entropy: NDArray[np.float64], mixtures: NDArray[np.float64], count: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The ``count`` of N squares (or all, if there are fewer) to label first, best first, and the
    score that each was chosen by.

    The first is that of the greatest ``entropy`` (N,) 0..1. Each further one has the greatest
    product of its entropy and its distance from the nearest that is chosen already: the Hellinger
    distance, 0..1, of their ``mixtures`` (N, K), shares of the classes that add up to 1; of equal
    products, that of the greater entropy. So a second square full of the same doubt comes late.

    Uncertainty with diversity is after Demir, Persello and Bruzzone 2011
    (10.1109/TGRS.2010.2072929), the greedy choice of what is furthest from what is chosen after
    Sener and Savarese 2018 (arXiv:1708.00489).
    """
    roots = np.sqrt(mixtures)
    nearest = np.ones(len(entropy))
    chosen, scores = list[int](), list[float]()
    left = np.ones(len(entropy), np.bool_)
    for _ in range(min(count, len(entropy))):
        worth = np.where(left, entropy * nearest, -1.0)
        most = np.flatnonzero(worth == worth.max())
        best = int(most[entropy[most].argmax()])
        chosen.append(best)
        scores.append(float(worth[best]))
        left[best] = False
        apart = np.sqrt(((roots - roots[best]) ** 2).sum(axis=1) / 2)
        nearest = np.minimum(nearest, apart)
    return np.array(chosen, np.intp), np.array(scores)
