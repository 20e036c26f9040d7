"""The bands of a map: which there are, and how they follow from blended sums."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import NODATA
from sarseg.kernels import compiled, over_rows
from sarseg.model.card import ModelCard
from sarseg.prediction.blend import CERTAIN
from sarseg.prediction.regrouping import Regrouping, regrouping
from sarseg.prediction.settings import PredictSettings


@dataclass(frozen=True)
class MapLayers:
    """What a map holds beside its classes.

    Band ``class`` holds the id of the most probable class of ``regrouping``, of those that are
    equally so, to a part in ``CERTAIN`` of each tile's answer, the first; ``confidence`` its
    probability, ``entropy`` that of the probabilities in parts of the largest there can be (Shannon
    1948), and ``probability of <name>`` what they say: all in percent, rounded. 255 where no tile
    has a valid pixel, in all bands.
    """

    regrouping: Regrouping
    confidence: bool = False
    entropy: bool = False
    probabilities: bool = False

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands, in order."""
        names = ["class"]
        names += ["confidence"] * self.confidence + ["entropy"] * self.entropy
        if self.probabilities:
            names += [f"probability of {entry.name}" for entry in self.regrouping.classes]
        return tuple(names)

    def of(self, sums: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """The bands (n, h, w) from ``sums`` (K + 1, h, w), see ``StripBlender``."""
        groups = np.array(self.regrouping.groups, np.int64)
        ids = np.array([entry.id for entry in self.regrouping.classes], np.uint8)
        shape = sums.shape[1:]
        bands = np.full((len(self.bands), *shape), NODATA, np.uint8)
        # what is not asked for is computed all the same, into rows that nobody reads
        percent = bands[1] if self.confidence else np.empty(shape, np.uint8)
        entropy = bands[1 + self.confidence] if self.entropy else np.empty((0, 0), np.uint8)
        shares = bands[1 + self.confidence + self.entropy :]

        def fill(first: int, end: int) -> None:
            _decide(sums, CERTAIN, groups, ids, bands[0], percent, entropy, shares, first, end)

        over_rows(shape[0], fill)
        return bands


def map_layers(card: ModelCard, settings: PredictSettings) -> MapLayers:
    """The bands of a map by the model of ``card``. Raises as ``regrouping``."""
    return MapLayers(
        regrouping(card, settings.classes),
        settings.confidence,
        settings.entropy,
        settings.probabilities,
    )


@compiled
def _decide(
    sums: NDArray[np.uint32],
    certain: int,
    groups: NDArray[np.int64],
    ids: NDArray[np.uint8],
    classes: NDArray[np.uint8],
    percent: NDArray[np.uint8],
    entropy: NDArray[np.uint8],
    shares: NDArray[np.uint8],
    first: int,
    end: int,
) -> None:
    total = np.zeros(len(ids), np.uint64)
    for row in range(first, end):
        for col in range(sums.shape[2]):
            weight = sums[len(groups), row, col]
            if weight == 0:
                continue
            total[:] = 0
            for channel in range(len(groups)):
                total[groups[channel]] += np.uint64(sums[channel, row, col])
            best = 0
            for group in range(1, len(ids)):
                if total[group] > total[best]:
                    best = group
            whole = np.float64(weight) * certain
            classes[row, col] = ids[best]
            percent[row, col] = np.uint8(min(100.0 * total[best] / whole, 100.0) + 0.5)
            if len(entropy):
                disorder = 0.0
                for group in range(len(ids)):
                    share = total[group] / whole
                    if share > 0.0:
                        disorder -= share * np.log(share)
                largest = np.log(max(len(ids), 2))  # of one class there is no doubt
                disorder = min(max(100.0 * disorder / largest, 0.0), 100.0)
                entropy[row, col] = np.uint8(disorder + 0.5)
            if len(shares):
                for group in range(len(ids)):
                    share = min(100.0 * total[group] / whole, 100.0)
                    shares[group, row, col] = np.uint8(share + 0.5)
