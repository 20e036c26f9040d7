"""What a decoder is trained to do: one file each."""

from collections.abc import Sequence
from typing import Any

from sarseg.decoders.base import Decoder
from sarseg.decoders.box_prompted import BoxPrompted
from sarseg.decoders.mask_classification import MaskClassification
from sarseg.training.losses.base import Loss
from sarseg.training.losses.bce_iou import BceIou
from sarseg.training.losses.cross_entropy import CrossEntropy
from sarseg.training.objectives.base import Objective
from sarseg.training.objectives.boxed_mask import BoxedMask
from sarseg.training.objectives.dense import DensePrediction
from sarseg.training.objectives.mask_classification import SetPrediction


def default_loss(decoder: Decoder) -> Loss | None:
    """The loss that ``decoder`` was published with; None: an objective that takes no loss."""
    match decoder:
        case MaskClassification():
            return None
        case BoxPrompted():
            return BceIou()
        case _:
            return CrossEntropy()


def objective(
    decoder: Decoder, class_weights: Sequence[float], loss: Loss | None = None
) -> Objective[Any]:
    """The objective that ``decoder`` is trained by, with one weight a class.

    ``loss`` None: as the decoder was published. Class logits can be trained by any loss that
    fits the number of classes (``Loss.check``), whatever the decoder.
    """
    chosen = loss or default_loss(decoder)
    if chosen is None:
        assert isinstance(decoder, MaskClassification)
        return SetPrediction(class_weights, decoder.num_queries(len(class_weights)))
    if isinstance(decoder, BoxPrompted):
        return BoxedMask(class_weights, chosen, decoder.box_scale)
    return DensePrediction(class_weights, chosen)
