"""Images survive the way into a page."""

from base64 import b64decode
from io import BytesIO

import numpy as np
from PIL import Image

from sarseg.pages.images import png_address, webp_address


def opened(address: str, kind: str) -> Image.Image:
    head, _, text = address.partition(",")
    assert head == f"data:image/{kind};base64"
    return Image.open(BytesIO(b64decode(text)))


def test_a_png_keeps_every_value() -> None:
    values = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    found = opened(png_address(Image.fromarray(values)), "png")
    np.testing.assert_array_equal(np.asarray(found), values)


def test_a_webp_keeps_what_is_transparent() -> None:
    values = np.full((20, 30, 2), 128, np.uint8)
    values[:10, :, 1], values[10:, :, 1] = 0, 255
    found = np.asarray(opened(webp_address(Image.fromarray(values)), "webp").convert("LA"))
    np.testing.assert_array_equal(found[..., 1], values[..., 1])
    assert np.abs(found[12:, :, 0].astype(int) - 128).max() < 8
