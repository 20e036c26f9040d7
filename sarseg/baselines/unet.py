"""U-Net with residual units, MONAI's.

Ronneberger et al. 2015, "U-Net" (arXiv 1505.04597), in the form of Kerfoot et al. 2019,
"Left-Ventricle Quantification Using Residual U-Net", LNCS 11395.
"""

from typing import Annotated, ClassVar

from pydantic import Field
from torch import nn

from sarseg.baselines.base import Baseline, comparison_packages
from sarseg.baselines.padded import PaddedNetwork

_GROUPS = 4
"""Of at least two channels: one by itself would be instance normalisation."""


class UNet(Baseline):
    """Settings of the U-Net.

    MONAI's ordinary instance normalisation takes the level of backscatter out of every chip, and
    with it what tells water from land where a chip holds one of them alone. Channels are normalised
    in groups here, and the classes are read by a convolution without normalisation.
    """

    name: ClassVar[str] = "unet"
    packages: ClassVar[tuple[str, ...]] = ("monai",)

    channels: Annotated[
        tuple[Annotated[int, Field(ge=2 * _GROUPS, multiple_of=_GROUPS)], ...], Field(min_length=2)
    ] = (16, 32, 64, 128, 256)
    """Of each level; each level halves the resolution once more."""
    residual_units: int = Field(default=2, ge=0)
    """Convolutions that the residual unit of a level has; 0: one convolution and no residual."""

    def build(self, bands: int, num_classes: int) -> PaddedNetwork:
        """The network. Raises ModelError where MONAI is missing."""
        with comparison_packages(self.name):
            from monai.networks.nets import UNet as MonaiUNet
        levels = len(self.channels) - 1
        body = MonaiUNet(
            spatial_dims=2,
            in_channels=bands,
            out_channels=self.channels[0],
            channels=self.channels,
            strides=(2,) * levels,
            num_res_units=self.residual_units,
            norm=("group", {"num_groups": _GROUPS}),
        )
        head = nn.Conv2d(self.channels[0], num_classes, kernel_size=1)
        return PaddedNetwork(nn.Sequential(body, head), num_classes, multiple=2**levels)
