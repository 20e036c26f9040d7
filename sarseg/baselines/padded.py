"""Networks of other libraries that take only some sizes, for chips of any size."""

from torch import Tensor, nn
from torch.nn import functional

from sarseg.model.network import Network


class PaddedNetwork(Network):
    """``inner``, which answers logits ``(B, K, S, S)`` where S is a multiple of ``multiple``.

    Other chips are padded at the bottom and right with 0, as training chips are to the size of the
    model, and the logits cropped.
    """

    def __init__(self, inner: nn.Module, num_classes: int, multiple: int) -> None:
        super().__init__()
        self.inner = inner
        self.num_classes = num_classes
        self.multiple = multiple

    def forward(self, bands: Tensor) -> Tensor:
        """Logits at full resolution: ``(B, C, H, W) -> (B, K, H, W)``."""
        height, width = bands.shape[-2:]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        logits: Tensor = self.inner(functional.pad(bands, padding))
        return logits[..., :height, :width]
