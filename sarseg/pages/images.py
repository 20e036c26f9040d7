"""Images inside a page."""

from base64 import b64encode
from io import BytesIO

from PIL import Image


def png_address(image: Image.Image) -> str:
    """``image`` as a PNG in the text of a ``data:`` address."""
    return _address(image, "PNG", optimize=True)


def webp_address(image: Image.Image) -> str:
    """``image`` as a WebP, a little less sharp and much smaller: for photographs."""
    return _address(image, "WEBP", quality=80)


def _address(image: Image.Image, kind: str, **settings: int) -> str:
    file = BytesIO()
    image.save(file, kind, **settings)
    return f"data:image/{kind.lower()};base64,{b64encode(file.getvalue()).decode('ascii')}"
