"""Colours of a reduced map."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sarseg.classes import NODATA
from sarseg.report.survey import MapSurvey

CONFIDENCE_STOPS = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""Colours of 0, 25, 50, 75 and 100 % of confidence, those of viridis; between them they blend."""


def class_image(survey: MapSurvey) -> Image.Image:
    """The reduced map as a palette image of its class ids, transparent where there is no class."""
    palette = np.zeros((NODATA + 1, 3), np.uint8)
    for total in survey.totals:
        palette[total.entry.id] = total.entry.colour
    image = Image.fromarray(survey.ids).convert("P")
    image.putpalette(palette.tobytes())
    image.info["transparency"] = NODATA
    return image


def value_image(survey: MapSurvey) -> Image.Image:
    """What a page looks up: class ids in red, percentages of confidence in green; 255 for none."""
    confidence: NDArray[np.uint8] = np.full_like(survey.ids, NODATA)
    if survey.confidence is not None:
        confidence = survey.confidence
    return Image.fromarray(np.stack([survey.ids, confidence, np.zeros_like(survey.ids)], axis=-1))


def grey_image(shades: NDArray[np.uint8], known: NDArray[np.bool_]) -> Image.Image:
    """Shades of grey (h, w), transparent where they are not ``known``."""
    alpha = np.where(known, np.uint8(255), np.uint8(0))
    return Image.fromarray(np.stack([shades, alpha], axis=-1))
