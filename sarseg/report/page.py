"""The page of a map: one HTML file that needs nothing else."""

import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from sarseg.classes import hexadecimal
from sarseg.pages.images import png_address, webp_address
from sarseg.pages.templates import environment, percent
from sarseg.report.backdrop import Backdrop
from sarseg.report.colours import CONFIDENCE_STOPS, class_image, grey_image, value_image
from sarseg.report.places import coordinates
from sarseg.report.provenance import facts
from sarseg.report.survey import MapSurvey
from sarseg.scenes.output import replacing

_PACKAGE = "sarseg.report"

_STILL = 1000
"""Pixels of the longer side of the picture for viewers that run no scripts."""

_BIN = 5
"""Percent of confidence in a bar of the histogram."""

_OPACITY_OVER_SCENE = 70


def write_page(path: Path, survey: MapSurvey, scene: Backdrop | None, title: str) -> None:
    """Write the page of ``survey``, whole or not at all. Raises OutputError."""
    with replacing(path) as temporary:
        temporary.write_text(page(survey, scene, title), encoding="utf-8")


def page(survey: MapSurvey, scene: Backdrop | None, title: str) -> str:
    """The HTML text. Whatever comes from files, such as class names, is escaped."""
    script = files(_PACKAGE).joinpath("viewer.js").read_text("utf-8")
    rows, columns = survey.ids.shape
    bins = _bins(survey.histogram)
    still = class_image(survey)
    still.thumbnail((_STILL, _STILL), Image.Resampling.NEAREST)
    return (
        environment(_PACKAGE)
        .get_template("page.html.j2")
        .render(
            title=title,
            subtitle=_subtitle(survey, scene),
            warnings=_warnings(survey),
            pixels=survey.pixels,
            area_ha=survey.area_ha,
            unmeasured=survey.unmeasured,
            confidence=survey.mean_confidence,
            totals=sorted(survey.totals, key=lambda total: -total.share),
            largest=max(total.share for total in survey.totals),
            bins=bins,
            ticks=_ticks(max((each["share"] for each in bins), default=1.0)),
            facts={"File": survey.path.name, **facts(survey)},
            description=_description(survey),
            columns=columns,
            rows=rows,
            scene_source=scene and webp_address(grey_image(scene.shades, scene.known)),
            still_source=png_address(still),
            value_source=png_address(value_image(survey)),
            viewer=_viewer(survey, over_scene=scene is not None),
            script=Markup(script),  # our own, and nothing in it comes from files
            script_hash=f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}",
        )
    )


def _viewer(survey: MapSurvey, *, over_scene: bool) -> dict[str, Any]:
    """What the script has to know."""
    return {
        "width": survey.georeference.width,
        "height": survey.georeference.height,
        "step": survey.step,
        "classes": {
            total.entry.id: {"name": total.entry.name, "colour": hexadecimal(total.entry.colour)}
            for total in survey.totals
        },
        "confidence": survey.mean_confidence is not None,
        "stops": CONFIDENCE_STOPS,
        "opacity": _OPACITY_OVER_SCENE if over_scene else 100,
        "metres": survey.pixel_width,
        "coordinates": [asdict(each) for each in coordinates(survey.georeference)],
    }


def _subtitle(survey: MapSurvey, scene: Backdrop | None) -> str:
    told = f"Land-cover map {survey.path.name}"
    return f"{told} over {scene.name}." if scene else f"{told}."


def _description(survey: MapSurvey) -> str:
    """The map in words, for those who do not see it."""
    largest = sorted(survey.totals, key=lambda total: -total.share)
    shares = [f"{total.entry.name} {percent(total.share)}" for total in largest]
    return f"Land-cover map: {', '.join(shares)}."


def _warnings(survey: MapSurvey) -> Sequence[str]:
    missing = survey.tags.get("SARSEG_MISSING")
    if missing is None:
        return ()
    return (
        "Parts of the scene could not be read when the map was made; "
        f"tiles that have gaps or less to go by: {missing}.",
    )


def _bins(histogram: NDArray[np.int64] | None) -> list[dict[str, Any]]:
    """Shares of the pixels by confidence; 100 % belongs to the last bar."""
    if histogram is None or not histogram.any():
        return []
    counts = histogram[:100].reshape(-1, _BIN).sum(axis=1)
    counts[-1] += histogram[100]
    last = len(counts) - 1
    return [
        {
            "first": index * _BIN,
            "last": 100 if index == last else (index + 1) * _BIN - 1,
            "share": float(count / histogram.sum()),
        }
        for index, count in enumerate(counts)
    ]


def _ticks(highest: float) -> list[float]:
    """Round shares from 0 to the first one that is not below ``highest``."""
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if highest <= 5 * step)
    return [step * index for index in range(math.ceil(highest / step) + 1)]
