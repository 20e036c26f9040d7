"""Statistics over the window round every pixel, of the pixels in it that show something."""

from typing import Annotated

from pydantic import AfterValidator, Field
from torch import Tensor
from torch.nn import functional


def _odd(side: int) -> int:
    if side % 2 == 0:
        raise ValueError("a window has a pixel in its middle, so its side is odd")
    return side


Window = Annotated[int, Field(ge=1), AfterValidator(_odd)]
"""Side of a window, in pixels."""


def valid_pixels(bands: Tensor) -> Tensor:
    """Which pixels show something, ``(B, C, H, W) -> (B, 1, H, W)``: those with a band that is not
    0, as all are of padding and of chips without any valid pixel. Other invalid pixels hold
    mirrored valid ones, and count like these."""
    return (bands != 0).any(dim=1, keepdim=True)


def window_moments(bands: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Means and variances ``(B, C, H, W)``, float64, over ``window`` x ``window`` pixels.

    Of pixels within the image that show something (``valid_pixels``), on whose number variances are
    divided; 0 where a window has none.
    """
    valid = valid_pixels(bands).double()
    values = bands.double()  # 0 where nothing is shown
    count = _sums(valid, window).clamp(min=1.0)
    means = _sums(values, window) / count
    squares = _sums(values.square(), window) / count
    return means, (squares - means.square()).clamp(min=0.0)


def _sums(values: Tensor, window: int) -> Tensor:
    """Sums over windows, each added up by itself: what lies outside one leaves no trace in it."""
    half = window // 2
    columns = functional.avg_pool2d(values, (window, 1), 1, (half, 0), divisor_override=1)
    return functional.avg_pool2d(columns, (1, window), 1, (0, half), divisor_override=1)


def window_means(bands: Tensor, window: Window) -> Tensor:
    """Means alone, as of ``window_moments``."""
    count = _sums(valid_pixels(bands).double(), window).clamp(min=1.0)
    return _sums(bands.double(), window) / count
