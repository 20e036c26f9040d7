"""What a decoder is trained to do: one file each."""

from collections.abc import Sequence

from sarseg.decoders.base import Decoder
from sarseg.decoders.box_prompted import BoxPrompted
from sarseg.decoders.mask_classification import MaskClassification
from sarseg.training.objectives.base import Objective
from sarseg.training.objectives.boxed_mask import BoxedMask
from sarseg.training.objectives.cross_entropy import CrossEntropy
from sarseg.training.objectives.mask_classification import SetPrediction


def objective(decoder: Decoder, class_weights: Sequence[float]) -> Objective:
    """The objective that ``decoder`` is trained by, with one weight a class.

    Class logits can always be trained by cross-entropy, so a decoder without an objective of its
    own is. Box prompts come with a loss that knows no class weights.
    """
    match decoder:
        case MaskClassification():
            return SetPrediction(class_weights)
        case BoxPrompted():
            return BoxedMask(decoder.box_scale)
        case _:
            return CrossEntropy(class_weights)
