"""How many parameters a segmenter has, and how many of them train."""

from dataclasses import dataclass

import torch

from sarseg.adapters.base import AdaptationMethod
from sarseg.decoders.base import Decoder
from sarseg.model.bands import exact_inputs
from sarseg.model.network import Network
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import architecture


@dataclass(frozen=True)
class ParameterCount:
    """Numbers of parameters: all of them, and those that train."""

    total: int
    trainable: int


def parameters_of(segmenter: Network) -> ParameterCount:
    """Count the parameters of ``segmenter``; buffers are none."""
    parameters = list(segmenter.parameters())
    return ParameterCount(
        total=sum(parameter.numel() for parameter in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
    )


def count_parameters(
    backbone: str, method: AdaptationMethod, decoder: Decoder, num_classes: int
) -> ParameterCount:
    """Count without making any weights: the network is built from shapes alone.

    Raises ModelError for an unknown backbone, or a decoder that has no form for ``num_classes``.
    """
    with torch.device("meta"):
        segmenter = Segmenter(
            architecture(backbone), method, decoder, exact_inputs(["VV"]), num_classes
        )
    return parameters_of(segmenter)
