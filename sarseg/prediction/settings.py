"""How a scene is to be mapped: all that a user may choose."""

from dataclasses import dataclass
from pathlib import Path

from sarseg.errors import UsageError
from sarseg.prediction.blend import BlendWindow
from sarseg.prediction.fit import ScalingSource
from sarseg.prediction.forward import Views, WantedPrecision


@dataclass(frozen=True)
class PredictSettings:
    """How a scene is mapped.

    Tiles overlap by ``overlap`` pixels, None a quarter of the model's tile size, and are blended by
    ``window``; ``scaling`` says whose statistics scale the decibels. ``views`` are flips and turns
    of each tile whose answers are averaged. ``confidence``, ``entropy`` and ``probabilities`` are
    bands of the map beside the classes, see ``MapLayers``; ``classes`` is a file that regroups the
    model's classes. ``batch_size`` None is found by measuring; ``memory`` is the most that the
    process may take, in bytes.

    Raises UsageError for a batch size below 1.
    """

    overlap: int | None = None
    window: BlendWindow = "gaussian"
    scaling: ScalingSource = "model"
    views: Views = "none"
    confidence: bool = False
    entropy: bool = False
    probabilities: bool = False
    classes: Path | None = None
    batch_size: int | None = None
    precision: WantedPrecision = "auto"
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"The batch size is {self.batch_size}: choose 1 or more.")


DEFAULTS = PredictSettings()
