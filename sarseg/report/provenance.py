"""How a map came about and where it lies, in words: from its tags and its georeferencing."""

from datetime import UTC, datetime, timedelta

import pyproj

from sarseg.pages.templates import number
from sarseg.report.survey import MapSurvey
from sarseg.scenes.acquisition import Acquisition, acquisition_of
from sarseg.scenes.ground import map_bounds, map_crs, misplacement
from sarseg.wording import counted

_PREFIX = "SARSEG_"

_NAMES = {
    "SARSEG_SCENE": "Scene",
    "SARSEG_BANDS": "Bands",
    "SARSEG_INPUT_UNIT": "Numbers read as",
    "SARSEG_CALIBRATION": "Calibrated to",
    "SARSEG_NODATA": "Value that means no data",
    "SARSEG_AOI": "Area of interest",
    "SARSEG_TO_CRS": "Warped to",
    "SARSEG_RESOLUTION": "Warped to pixels of",
    "SARSEG_KEEP_LAYOVER": "Layover and shadow kept",
    "SARSEG_INPUTS_SHA256": "Inputs (SHA-256)",
    "SARSEG_MODEL_SHA256": "Model (SHA-256)",
    "SARSEG_BACKBONE_SHA256": "Backbone weights (SHA-256)",
    "SARSEG_VERSION": "Version of sarseg",
    "SARSEG_CLASSES": "Class file",
    "SARSEG_BOXES": "Boxes to look in",
    "SARSEG_SCALING": "Scaled by",
    "SARSEG_OVERLAP": "Overlap of tiles",
    "SARSEG_BLEND": "Tiles blended by",
    "SARSEG_TTA": "Flips and turns averaged",
    "SARSEG_DEVICE": "Computed on",
    "SARSEG_PRECISION": "Precision",
    "SARSEG_BATCH_SIZE": "Tiles at once",
    "SARSEG_MISSING": "Tiles with unreadable parts",
}
"""What a map's tags are about, in the order of telling."""

_VALUES = {
    ("SARSEG_SCALING", "model"): "the statistics of the training set",
    ("SARSEG_SCALING", "scene"): "the statistics of the scene itself",
    ("SARSEG_INPUT_UNIT", "db"): "decibels",
    ("SARSEG_DEVICE", "cpu"): "a CPU",
    ("SARSEG_DEVICE", "cuda"): "a GPU",
}

_UNITS = {"SARSEG_OVERLAP": "pixels"}


def facts(survey: MapSurvey) -> dict[str, str]:
    """What is known of a map besides its classes: names of facts and what they are."""
    return {**_origin(survey.tags), **_place(survey)}


def _origin(tags: dict[str, str]) -> dict[str, str]:
    """What the tags say; those that are not known here under their own name."""
    others = sorted(key for key in tags if key.startswith(_PREFIX) and key not in _NAMES)
    named = {key: _NAMES.get(key, key) for key in (*_NAMES, *others) if tags.get(key)}
    told = {name: _value(key, tags[key]) for key, name in named.items()}
    acquired = acquisition_of(tags.get("SARSEG_SCENE", "").split(" + "))
    return {"Acquired": _time(acquired), **told} if acquired else told


def _value(key: str, value: str) -> str:
    shown = _VALUES.get((key, value), value)
    return f"{shown} {_UNITS[key]}" if key in _UNITS else shown


def _time(acquired: Acquisition) -> str:
    start, end = acquired.start, acquired.end
    midnight = datetime.min.replace(tzinfo=UTC).time()
    if start.time() == midnight and end - start == timedelta(days=1, seconds=-1):
        return f"{start:%Y-%m-%d}"
    shown = [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in dict.fromkeys((start, end))]
    return " to ".join(shown) + " UTC"


def _place(survey: MapSurvey) -> dict[str, str]:
    georeference = survey.georeference
    height, width = georeference.height, georeference.width
    told = {
        "Size": f"{number(height)} rows × {number(width)} columns",
        "With a class": f"{number(survey.pixels)} pixels, "
        f"{100 * survey.pixels / (height * width):.1f} %",
        "Coordinate reference system": _crs(map_crs(georeference)),
    }
    if reason := misplacement(georeference):
        return {**told, "Place": f"not known: {reason}"}
    if georeference.transform is None and georeference.gcps:
        told["Placed by"] = counted(len(georeference.gcps), "ground control point")
    if survey.size is not None and survey.pixel_width is not None:
        across, down = survey.size.at_centre()
        told["Pixel at the centre"] = f"{across:.4g} m × {down:.4g} m on the ground"
    if georeference.transform is not None or georeference.gcps:
        left, bottom, right, top = (f"{edge:.10g}" for edge in map_bounds(georeference))
        told["Extent"] = f"x {left} to {right}, y {bottom} to {top}"
    return told


def _crs(crs: pyproj.CRS | None) -> str:
    if crs is None:
        return "none"
    authority = ":".join(crs.to_authority() or ())
    return f"{crs.name} ({authority})" if authority else crs.name
