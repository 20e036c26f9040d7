"""What each class weighs in the loss."""

from collections.abc import Sequence

from sarseg.classes import LandCoverClass
from sarseg.datasets.fusar import RELEASES
from sarseg.errors import DatasetError, UsageError
from sarseg.training.settings import TrainSettings


def class_weights(
    settings: TrainSettings, classes: Sequence[LandCoverClass], counts: Sequence[int]
) -> tuple[float, ...]:
    """Weight of each of ``classes``, of which ``counts`` pixels are for training.

    ``frequency``: inverse to the square root of the class's pixels, mean 1 over the classes that
    occur; classes that do not occur weigh 0. ``published``: those of the dataset's authors. Else
    the numbers given, in the order of the classes.

    Raises DatasetError where none are published, UsageError where the numbers do not fit.
    """
    match settings.class_weights:
        case "none":
            return (1.0,) * len(classes)
        case "published":
            if settings.dataset not in RELEASES:
                raise DatasetError(
                    f"There are no published class weights for {settings.dataset}; only for "
                    f"{', '.join(RELEASES)}. Choose --class-weights none or frequency."
                )
            return RELEASES[settings.dataset].published_weights
        case "frequency":
            raw = [count**-0.5 if count else 0.0 for count in counts]
            mean = sum(raw) / sum(count > 0 for count in counts)
            return tuple(weight / mean for weight in raw)
        case given:
            names = ", ".join(entry.name for entry in classes)
            if len(given) != len(classes):
                raise UsageError(
                    f"--class-weights gives {len(given)} numbers for {len(classes)} classes: give "
                    f"one for each of {names}, in that order."
                )
            if not any(w for w, count in zip(given, counts, strict=True) if count):
                raise UsageError(
                    "--class-weights leaves no labelled class with a weight above 0: there is "
                    f"nothing to learn. The classes are {names}."
                )
            return given
