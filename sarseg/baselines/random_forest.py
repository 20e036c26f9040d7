"""A random forest on local means and standard deviations.

Breiman 2001, "Random Forests", Machine Learning 45:5-32, by scikit-learn.
"""

from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from sarseg.baselines.base import (
    LOWEST,
    Baseline,
    Classifier,
    LabelledChips,
    comparison_packages,
    nothing_to_fit,
)
from sarseg.baselines.windows import Window, valid_pixels, window_moments
from sarseg.classes import NODATA


class RandomForest(Baseline):
    """Settings of the random forest."""

    name: ClassVar[str] = "random-forest"
    by_gradient: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    trees: int = Field(default=200, ge=1)
    windows: Annotated[tuple[Window, ...], Field(min_length=1)] = (1, 5, 9, 17, 33)
    """Pixels across which mean and standard deviation of every band are taken; 1: its value."""
    samples: int = Field(default=5000, ge=1)
    """Pixels of each class that the trees are grown on, at most, drawn from all chips."""
    leaf: int = Field(default=3, ge=1)
    """Fewest samples in a leaf."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the drawing of samples and of the trees."""

    def build(self, bands: int, num_classes: int) -> "Forest":
        """A forest yet to be grown. Raises ModelError where scikit-learn is missing."""
        with comparison_packages(self.name):
            from sklearn.ensemble import RandomForestClassifier
        trees = RandomForestClassifier(
            n_estimators=self.trees,
            min_samples_leaf=self.leaf,
            random_state=self.seed,
            n_jobs=-1,
        )
        return Forest(trees, self, num_classes)


class Forest(Classifier):
    """scikit-learn's forest over the features of single pixels."""

    def __init__(self, trees: Any, settings: RandomForest, num_classes: int) -> None:
        super().__init__()
        self.trees = trees
        self.settings = settings
        self.num_classes = num_classes

    def fit(self, chips: LabelledChips) -> None:
        """Grow the trees on pixels drawn alike from all of a class, so that classes weigh alike
        where none is rare. Only the drawn ones are kept."""
        generator = np.random.default_rng(self.settings.seed)
        drawn = [_Sample(self.settings.samples) for _ in range(self.num_classes)]
        for number in range(len(chips)):
            bands, labels = chips[number]
            features = self._features(bands[None])[0]
            counted = torch.where(valid_pixels(bands[None])[0, 0], labels, NODATA).flatten().numpy()
            for index, sample in enumerate(drawn):
                sample.add(features[counted == index], generator)
        sizes = [len(sample.features) for sample in drawn]
        if not any(sizes):
            raise nothing_to_fit(RandomForest.name)
        kept = [sample.features for sample in drawn if len(sample.features)]
        self.trees.fit(np.concatenate(kept), np.repeat(np.arange(self.num_classes), sizes))

    def forward(self, bands: Tensor) -> Tensor:
        """Logarithms of the trees' mean class shares: ``(B, C, S, S) -> (B, K, S, S)``."""
        batch, _, height, width = bands.shape
        logits = np.full((batch, height * width, self.num_classes), LOWEST, np.float32)
        floor = np.exp(LOWEST)
        for number in range(batch):
            features = self._features(bands[number : number + 1])[0]
            shares = self.trees.predict_proba(features)
            logits[number][:, self.trees.classes_] = np.log(np.maximum(shares, floor))
        shaped = torch.from_numpy(logits).view(batch, height, width, self.num_classes)
        return shaped.permute(0, 3, 1, 2).to(bands.device)

    def _features(self, bands: Tensor) -> NDArray[np.float32]:
        """Features ``(B, S * S, F)`` of all pixels."""
        found = []
        for window in self.settings.windows:
            means, variances = window_moments(bands, window)
            found.append(means)
            if window > 1:
                found.append(variances.sqrt())
        features = torch.cat(found, dim=1).flatten(2).transpose(1, 2)
        return np.ascontiguousarray(features.cpu().numpy(), np.float32)


class _Sample:
    """At most ``size`` rows, each subset of all that were added equally likely.

    Every row draws a key, and those with the smallest are kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.keys: NDArray[np.float64] = np.empty(0)
        self.features: NDArray[np.float32] = np.empty((0, 0), np.float32)

    def add(self, rows: NDArray[np.float32], generator: np.random.Generator) -> None:
        keys = generator.random(len(rows))
        if len(self.keys):
            rows, keys = np.concatenate([self.features, rows]), np.concatenate([self.keys, keys])
        if len(keys) > self.size:
            smallest = np.argpartition(keys, self.size - 1)[: self.size]
            rows, keys = rows[smallest], keys[smallest]
        self.features, self.keys = rows, keys
