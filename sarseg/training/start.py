"""The weights that a run starts from."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from sarseg.adapters import method
from sarseg.adapters.base import AdaptationMethod
from sarseg.errors import UsageError
from sarseg.model.backbone import backbone_sha256, initialise, load_backbone, starting_file
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import architecture
from sarseg.sam.encoder import ImageEncoder
from sarseg.training.settings import TrainSettings


@dataclass(frozen=True)
class Start:
    """A ``backbone``'s file of weights and its SHA-256, which takes seconds for a large one; None
    and an empty text where weights are drawn at random."""

    backbone: str
    weights: Path | None
    sha256: str

    def give(self, segmenter: Segmenter) -> None:
        """Give ``segmenter`` its weights; random ones follow from torch's seed.

        Raises ModelError where the file does not hold weights of the backbone.
        """
        if self.weights is None:
            initialise(segmenter)
        else:
            load_backbone(segmenter, self.weights, self.backbone)

    def also_stored(self, segmenter: Segmenter) -> Iterable[str]:
        """Names of the weights that a model's file has to hold although they do not train."""
        return () if self.weights is not None else segmenter.state_dict()


def start(settings: TrainSettings) -> Start:
    """Where the run of ``settings`` starts from.

    Raises UsageError where that makes no sense, ModelError where weights are missing or damaged.
    """
    backbone = settings.backbone
    weights = starting_file(backbone, settings.init, settings.backbone_weights)
    if weights is not None:
        return Start(backbone, weights, backbone_sha256(backbone, weights))
    adaptation = method(settings.method, settings.settings_of("method"))
    if not _trains_all(adaptation, backbone):
        raise UsageError(
            f"The method {adaptation.name} keeps weights of the backbone as they are, and random "
            "ones would stay random: with --init random, choose --method full."
        )
    return Start(backbone, None, "")


def _trains_all(adaptation: AdaptationMethod, backbone: str) -> bool:
    with torch.device("meta"):
        encoder = ImageEncoder(architecture(backbone))
        adaptation.install(encoder)
    return all(parameter.requires_grad for parameter in encoder.parameters())
