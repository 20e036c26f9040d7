"""A linear layer for maps of tokens that uses the whole CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional

_HAS_ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


class TokenLinear(nn.Linear):
    """``nn.Linear`` with the same parameters, run as a 1 x 1 convolution on the CPU.

    torch gives float32 matrix products to MKL, which leaves half of AVX-512 unused on AMD
    processors, and convolutions to oneDNN, which does not. A map ``(B, H, W, D)`` of tokens lies in
    memory as a channels-last image does, so oneDNN copies nothing. Results differ by rounding.
    (With one thread torch keeps small maps from oneDNN; they then take as long as ``nn.Linear``.)
    """

    def forward(self, input: Tensor) -> Tensor:
        """``(B, H, W, D_in) -> (B, H, W, D_out)``; other shapes as in ``nn.Linear``."""
        if input.ndim != 4 or input.device.type != "cpu" or not _HAS_ONEDNN:
            return super().forward(input)
        image = functional.conv2d(
            input.permute(0, 3, 1, 2), self.weight[:, :, None, None], self.bias
        )
        return image.permute(0, 2, 3, 1)
