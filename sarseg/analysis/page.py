"""The page of an adaptation: one HTML file that needs nothing else."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sarseg.analysis.adaptation import Adaptation
from sarseg.pages.images import png_address
from sarseg.pages.templates import environment
from sarseg.scenes.output import replacing

_STEP = 50
"""Pixels that the axis of distances ends at a multiple of."""

_STRETCH = (1.0, 99.0)  # percentiles that become black and white


def write_page(path: Path, found: Adaptation, title: str, facts: Mapping[str, str]) -> None:
    """Write the page, whole or not at all. Raises OutputError."""
    farthest = max(float(each.distances.max()) for each in (found.before, found.after))
    text = (
        environment(__package__)
        .get_template("page.html.j2")
        .render(
            title=title,
            found=found,
            facts=facts,
            before=found.before.distances.tolist(),
            after=found.after.distances.tolist(),
            farthest=_STEP * max(math.ceil(farthest / _STEP), 1),
            spectra={
                "before": found.before.spectra.tolist(),
                "after": found.after.spectra.tolist(),
            },
            pictures={name: _picture(values) for name, values in found.pictures.items()},
        )
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _picture(values: NDArray[np.float32]) -> str:
    low, high = np.percentile(values, _STRETCH)
    shades = 255 * np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    return png_address(Image.fromarray(shades.astype(np.uint8)))
