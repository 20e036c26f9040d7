"""What every decoder offers: settings, and how it is built."""

from abc import abstractmethod
from typing import ClassVar

from torch import nn

from sarseg.registry import Configured
from sarseg.sam.architecture import SamArchitecture


class Decoder(Configured):
    """Settings of a decoder.

    What it builds is called with the image embedding ``(B, C, h, w)``, the positional encoding of
    its grid ``(1, C, h, w)`` and the dense prompt ``(1, C, 1, 1)``, and where it ``takes_boxes``
    also with the box tokens ``(N, 2, C)`` of each image. It answers class logits
    ``(B, K, 4h, 4w)``.
    """

    takes_boxes: ClassVar[bool] = False
    """True where it maps what lies in given boxes and nothing else."""

    @abstractmethod
    def build(self, sizes: SamArchitecture, num_classes: int) -> nn.Module:
        """The decoder for ``num_classes`` classes. Raises ModelError where it has no such form."""
