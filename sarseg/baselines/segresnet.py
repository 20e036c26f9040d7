"""SegResNet: residual blocks with group normalisation, deeper on the way down than up; MONAI's.

Myronenko 2018, "3D MRI brain tumor segmentation using autoencoder regularization"
(arXiv 1810.11654), in two dimensions and without the autoencoder.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from sarseg.baselines.base import Baseline, comparison_packages
from sarseg.baselines.padded import PaddedNetwork

_GROUPS = 8


class SegResNet(Baseline):
    """Settings of SegResNet."""

    name: ClassVar[str] = "segresnet"
    packages: ClassVar[tuple[str, ...]] = ("monai",)

    filters: int = Field(default=32, ge=2 * _GROUPS, multiple_of=_GROUPS)
    """Channels of the first level; each further level has twice as many."""
    blocks: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2)] = (1, 2, 2, 4)
    """Residual blocks of each level on the way down; there is one of each on the way up."""

    def build(self, bands: int, num_classes: int) -> PaddedNetwork:
        """The network. Raises ModelError where MONAI is missing."""
        with comparison_packages(self.name):
            from monai.networks.nets import SegResNet as MonaiSegResNet
        levels = len(self.blocks) - 1
        network = MonaiSegResNet(
            spatial_dims=2,
            init_filters=self.filters,
            in_channels=bands,
            out_channels=num_classes,
            norm=("group", {"num_groups": _GROUPS}),
            blocks_down=self.blocks,
            blocks_up=(1,) * levels,
        )
        return PaddedNetwork(network, num_classes, multiple=2**levels)
