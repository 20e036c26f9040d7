"""What a run trains on, looked at as a whole before anything is trained."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sarseg.adapters import method
from sarseg.adapters.base import AdaptationMethod
from sarseg.datasets.fewer_labels import FewerLabels
from sarseg.datasets.foreground import OneAgainstRest
from sarseg.datasets.source import IGNORE, ChipSource, open_dataset
from sarseg.decoders import decoder
from sarseg.decoders.base import Decoder
from sarseg.decoders.boxes import FOREGROUND
from sarseg.errors import DatasetError, UsageError
from sarseg.filters.preparation import Preparation
from sarseg.sam.architecture import architecture
from sarseg.training.checks import (
    check_class_weights,
    check_margin,
    check_trainable,
    doubts,
)
from sarseg.training.class_weights import class_weights
from sarseg.training.data import (
    PreparedChips,
    choose_filters,
    filters_left,
    padded_size,
    training_statistics,
)
from sarseg.training.losses import loss
from sarseg.training.losses.base import Loss
from sarseg.training.objectives import default_loss
from sarseg.training.settings import TrainSettings


@dataclass(frozen=True)
class Plan:
    """Data and parts of a run.

    ``split_digest`` tells the division into splits from others, also where only a share of the
    training labels is used; ``counts`` and ``validation_counts`` are the labelled pixels of each
    class, ``size`` the pixels of a side of what the model is shown; ``loss`` is None where the
    decoder's objective takes none, ``validation`` where no labels can tell one epoch from another.
    """

    source: ChipSource
    split_digest: str
    adaptation: AdaptationMethod
    decoding: Decoder
    loss: Loss | None
    preparation: Preparation
    counts: tuple[int, ...]
    class_weights: tuple[float, ...]
    size: int
    training: PreparedChips
    validation: PreparedChips | None
    validation_counts: tuple[int, ...]

    def doubts(self, settings: TrainSettings) -> Iterator[str]:
        """Sentences about what a person should know before a long training."""
        return doubts(
            settings,
            self.decoding,
            self.source,
            self.counts,
            self.validation_counts,
            self.size,
            measured=self.validation is not None,
        )


def plan(settings: TrainSettings) -> Plan:
    """Open the data and look at all training labels.

    Scaling and class weights come from labelled training pixels alone.

    Raises DatasetError, ModelError or UsageError where data and settings make no model.
    """
    adaptation = method(settings.method, settings.settings_of("method"))
    decoding = decoder(settings.decoder, settings.settings_of("decoder"))
    judge = _loss(settings, decoding)
    wanted = settings.filters
    check_class_weights(settings)
    source = open_dataset(settings.dataset, settings.data)
    if settings.foreground is not None:
        source = OneAgainstRest(source, settings.foreground)
    check_trainable(source, decoding)
    if judge is not None:
        judge.check(len(source.classes), weighted=settings.class_weights != "none")

    # looks are a matter of the images: a few labels in small cells would not tell them
    filters = choose_filters(wanted, source, source.splits["train"])
    split_digest = source.digest()
    left = filters_left(source, filters)
    check_margin(source, left.margin)
    if settings.label_share < 1:
        source = FewerLabels(source, settings.label_share, settings.seed, margin=left.margin)
    refs = source.splits["train"]
    scaling, counts = training_statistics(source, refs, left)
    preparation = Preparation(
        despeckle=filters.despeckle, frequency=filters.frequency, scaling=scaling
    )
    labelled = [c.name for c, count in zip(source.classes, counts, strict=True) if count]
    if len(labelled) < 2:
        raise DatasetError(
            f"The training part of {source.name} holds labelled pixels of fewer than two classes "
            f"(found: {', '.join(labelled) or 'none'}); there is nothing to tell apart. Check the "
            "labels and the split."
        )
    size = padded_size(source.tile_size, architecture(settings.backbone))
    training = PreparedChips(
        source,
        refs,
        preparation,
        size,
        augmentation=settings.augmentation,
        seed=settings.seed,
    )
    validation = PreparedChips(source, source.splits.get("validation", ()), preparation, size)
    validation_counts = _counts(validation, len(source.classes))
    # in boxes alone the foreground is looked at
    judged = validation_counts[FOREGROUND] if decoding.takes_boxes else sum(validation_counts)
    return Plan(
        source=source,
        split_digest=split_digest,
        adaptation=adaptation,
        decoding=decoding,
        loss=judge,
        preparation=preparation,
        counts=counts,
        class_weights=class_weights(settings, source.classes, counts),
        size=size,
        training=training,
        validation=validation if judged else None,
        validation_counts=validation_counts,
    )


def _loss(settings: TrainSettings, decoding: Decoder) -> Loss | None:
    """The loss asked for, else the decoder's own."""
    own = default_loss(decoding)
    name = settings.loss or (own.name if own is not None else None)
    if name is not None:
        return loss(name, settings.settings_of("loss"))
    if settings.settings_of("loss"):
        raise UsageError(
            f"The decoder {decoding.name} is trained by matching masks to classes, which has no "
            "settings: leave --set loss.… out, or choose a --loss."
        )
    return None


def _counts(chips: PreparedChips, num_classes: int) -> tuple[int, ...]:
    """Pixels of each class that the labels of ``chips`` have. Reads them all, so that none that
    cannot be read shows in the middle of training."""
    counts = np.zeros(IGNORE + 1, np.int64)
    for number in range(len(chips)):
        counts += np.bincount(chips[number][1].numpy().ravel(), minlength=len(counts))
    return tuple(counts[:num_classes].tolist())
