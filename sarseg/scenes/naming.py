"""What bands hold, by the names and tags that products and programs give them."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import cast, get_args

from rasterio.io import DatasetReader

from sarseg.errors import InputError
from sarseg.scenes.auxiliary import (
    ELEVATION,
    INCIDENCE_ANGLE,
    LAYOVER_SHADOW,
    LOCAL_INCIDENCE_ANGLE,
)
from sarseg.scenes.band import Meaning
from sarseg.scenes.location import file_name, shown
from sarseg.scenes.polarisation import POLARISATIONS, band_polarisations, polarisations_in
from sarseg.scenes.unit import CALIBRATION_TAG, UNIT_TAG, Calibration, Unit

_GAMMA_LAYOVER = Meaning(LAYOVER_SHADOW, "mask", mask_bits=0b11110)
"""GAMMA's map: bit 0 says that a pixel was tested, the others what was found."""

_POL = "|".join(POLARISATIONS)

_HYP3 = re.compile(
    r"S1[A-D]_.*_RTC\d+_G_(?P<calibration>[gs])(?P<unit>[pad])[uw][nf][ec][dm]_[0-9A-F]{4}"
    rf"_(?P<layer>{_POL}|ls_map|inc_map|inc_map_ell|dem)",
    re.IGNORECASE,
)
"""Radiometric terrain correction by the Alaska Satellite Facility (HyP3, with GAMMA): gamma0 or
sigma0 as power, amplitude or decibels, and beside it a map of layover and shadow, incidence angles
in radians on the terrain and on the ellipsoid, and the elevation."""

_HYP3_UNITS: dict[str, Unit] = {"p": "intensity", "a": "amplitude", "d": "db"}
_HYP3_CALIBRATIONS: dict[str, Calibration] = {"g": "gamma0", "s": "sigma0"}
_HYP3_LAYERS = {
    "ls_map": _GAMMA_LAYOVER,
    "inc_map": Meaning(LOCAL_INCIDENCE_ANGLE, "auxiliary", factor=math.degrees(1)),
    "inc_map_ell": Meaning(INCIDENCE_ANGLE, "auxiliary", factor=math.degrees(1)),
    "dem": Meaning(ELEVATION, "auxiliary"),
}

_OPERA = re.compile(
    r"OPERA_L2_RTC-S1(?:-STATIC)?_T\d.*_v[0-9.]+"
    rf"_(?P<layer>{_POL}|mask|local_incidence_angle|incidence_angle|interpolated_dem)",
    re.IGNORECASE,
)
"""OPERA RTC-S1 of JPL: gamma0 intensity; angles in degrees; in the mask 1 is shadow, 2 layover, 3
both, and 255 lies outside."""

_OPERA_LAYERS = {
    "mask": Meaning(LAYOVER_SHADOW, "mask", mask_bits=0b11),
    "local_incidence_angle": Meaning(LOCAL_INCIDENCE_ANGLE, "auxiliary"),
    "incidence_angle": Meaning(INCIDENCE_ANGLE, "auxiliary"),
    "interpolated_dem": Meaning(ELEVATION, "auxiliary"),
}

_PLANETARY_RTC = re.compile(rf"(?:iw|ew|s[1-6])-(?P<layer>{_POL})\.rtc", re.IGNORECASE)
"""Sentinel-1 RTC on Microsoft's Planetary Computer: gamma0 intensity."""

_GRD = re.compile(
    r"(?:(?:iw|ew|s[1-6])|s1[a-d]-(?:iw|ew|s[1-6])-grd)"
    rf"-(?P<layer>{_POL})(?:-\d{{8}}t\d{{6}}-\d{{8}}t\d{{6}}-\d+-[0-9a-f]+-\d+)?(?:-cog)?",
    re.IGNORECASE,
)
"""Measurement files of Sentinel-1 GRD products, from ESA's archive or in the cloud: amplitude."""

_WORD = re.compile(r"(?<![A-Za-z])dB(?![A-Za-z])|[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+")

_LAYERS = (  # longest first: what is said of terrain or layover is more than the angle
    ("layover shadow", Meaning(LAYOVER_SHADOW, "mask")),
    ("shadow layover", Meaning(LAYOVER_SHADOW, "mask")),
    ("ls map", _GAMMA_LAYOVER),
    ("local incidence angle", Meaning(LOCAL_INCIDENCE_ANGLE, "auxiliary")),
    ("local inc angle", Meaning(LOCAL_INCIDENCE_ANGLE, "auxiliary")),
    ("local incidence", Meaning(LOCAL_INCIDENCE_ANGLE, "auxiliary")),
    ("incidence angle", Meaning(INCIDENCE_ANGLE, "auxiliary")),
    ("inc angle", Meaning(INCIDENCE_ANGLE, "auxiliary")),
    ("angle", Meaning(INCIDENCE_ANGLE, "auxiliary")),  # Earth Engine
    ("elevation", Meaning(ELEVATION, "auxiliary")),
    ("dem", Meaning(ELEVATION, "auxiliary")),
)

_AFTER_LAYER = {"mask", "map", "geo", "from", "ellipsoid", "deg", "degrees"}
"""Words that may follow the name of a layer at the end of a file name."""

_QUANTITIES = {"sigma0", "gamma0", "beta0", "sigma", "gamma", "beta", "intensity", "amplitude"}
_UNITS: dict[str, Unit] = {
    "db": "db",
    "decibel": "db",
    "decibels": "db",
    "intensity": "intensity",
    "power": "intensity",
    "amplitude": "amplitude",
    "amp": "amplitude",
}


def meanings(dataset: DatasetReader, numbers: Sequence[int]) -> tuple[Meaning, ...]:
    """What each of the bands ``numbers`` (from 1) of an open raster holds.

    The name is empty where nothing tells it. Raises InputError where a tag makes no sense.
    """
    name = file_name(dataset.name)
    product = _of_product(_stem(name))
    if product is not None and len(numbers) == 1:
        found: list[Meaning] = [product]
    else:
        found = _of_words(dataset, numbers, name)
    found = [
        _calibrated(meaning, dataset, number)
        for meaning, number in zip(found, numbers, strict=True)
    ]
    unit = _tagged_unit(dataset)
    if unit is None:
        return tuple(found)
    return tuple(
        replace(meaning, unit=unit, unit_source="tag") if meaning.role == "backscatter" else meaning
        for meaning in found
    )


def layers_in(name: str) -> tuple[str, ...]:
    """The bands of a scene that a file of this ``name`` seems to hold; none where it does not
    say."""
    stem = _stem(name)
    layer = _of_product(stem) or _layer_at_end(_words(stem))
    return (layer.name,) if layer else polarisations_in(stem)


def _stem(name: str) -> str:
    return re.sub(r"\.[A-Za-z0-9]{2,4}$", "", name)


def _of_product(stem: str) -> Meaning | None:
    """What a file of a known product holds; None where it is of none, or no band of a scene."""
    if found := _HYP3.fullmatch(stem):
        unit = _HYP3_UNITS[found["unit"].lower()]
        calibration = _HYP3_CALIBRATIONS[found["calibration"].lower()]
        layer = found["layer"]
        return _HYP3_LAYERS.get(layer.lower()) or _backscatter(layer, unit, calibration)
    if found := _OPERA.fullmatch(stem):
        layer = found["layer"]
        return _OPERA_LAYERS.get(layer.lower()) or _backscatter(layer, "intensity", "gamma0")
    if found := _PLANETARY_RTC.fullmatch(stem):
        return _backscatter(found["layer"], "intensity", "gamma0")
    if found := _GRD.fullmatch(stem):
        return _backscatter(found["layer"], "amplitude", None)
    return None


def _backscatter(polarisation: str, unit: Unit, calibration: Calibration | None) -> Meaning:
    return Meaning(polarisation.upper(), unit=unit, unit_source="name", calibration=calibration)


def _of_words(dataset: DatasetReader, numbers: Sequence[int], name: str) -> list[Meaning]:
    """What the words in descriptions, tags and the file's name say of each band."""
    descriptions = [dataset.descriptions[number - 1] or "" for number in numbers]
    tags = [dataset.tags(number) for number in numbers]
    of_file = _words(_stem(name))
    if len(numbers) == 1 and not descriptions[0] and (layer := _layer_at_end(of_file)):
        return [layer]
    of_file += _words(" ".join(_about_units(dataset.tags())))
    of_band = [
        _words(" ".join([description, *_about_units(own)]))
        for description, own in zip(descriptions, tags, strict=True)
    ]
    layers = [_layer_in(words) for words in of_band]
    rest = [index for index, layer in enumerate(layers) if layer is None]
    named = band_polarisations(
        name, dataset.tags(), [descriptions[each] for each in rest], [tags[each] for each in rest]
    )
    polarisation_of = dict(zip(rest, named, strict=True))
    result = []
    for index, (number, words, layer) in enumerate(zip(numbers, of_band, layers, strict=True)):
        if layer is not None:
            result.append(layer)
            continue
        units = _words(dataset.units[number - 1] or "")
        unit = _unit_in(units) or _unit_in(words) or _unit_in(of_file)
        result.append(
            Meaning(
                polarisation_of[index] or "",
                unit=unit,
                unit_source="name" if unit else "guess",
                calibration=_calibration_in(words) or _calibration_in(of_file),
            )
        )
    return result


def _about_units(tags: dict[str, str]) -> list[str]:
    """Values of the tags that say what the numbers are."""
    keys = ("unit", "calibrat", "radiometr", "varname", "long_name", "quantity")
    return [str(value) for key, value in tags.items() if any(each in key.lower() for each in keys)]


def _words(text: str) -> list[str]:
    """``layoverShadowMask`` and ``layover-shadow_mask`` as ``layover``, ``shadow``, ``mask``."""
    return [word.lower() for word in _WORD.findall(text)]


def _layer_in(words: Sequence[str]) -> Meaning | None:
    """What is no backscatter, by the ``words`` of a band's description.

    Beside a polarisation they tell how it was processed, unless they stand at the end.
    """
    if _QUANTITIES & set(words):
        return None
    if {word.upper() for word in words} & set(POLARISATIONS):
        return _layer_at_end(words)
    text = f" {' '.join(words)} "
    return next((layer for phrase, layer in _LAYERS if f" {phrase} " in text), None)


def _layer_at_end(words: Sequence[str]) -> Meaning | None:
    """What is no backscatter, by the end of a file's name: what comes before says other things, as
    of the elevation model that a scene was corrected by."""
    if _QUANTITIES & set(words):
        return None
    text = f" {' '.join(words)} "
    for phrase, layer in _LAYERS:
        _, found, rest = text.rpartition(f" {phrase} ")
        if found and set(rest.split()) <= _AFTER_LAYER:
            return layer
    return None


def _unit_in(words: Sequence[str]) -> Unit | None:
    """The unit that ``words`` name, decibels before what they are decibels of."""
    units = {_UNITS[word] for word in words if word in _UNITS}
    if "db" in units:
        return "db"
    return units.pop() if len(units) == 1 else None


def _calibration_in(words: Sequence[str]) -> Calibration | None:
    found = [each for each in get_args(Calibration) if each in words]
    return cast(Calibration, found[0]) if len(found) == 1 else None


def _calibrated(meaning: Meaning, dataset: DatasetReader, number: int) -> Meaning:
    tag = dataset.tags(number).get(CALIBRATION_TAG)
    if tag not in get_args(Calibration):
        return meaning
    return replace(meaning, calibration=cast(Calibration, tag))


def _tagged_unit(dataset: DatasetReader) -> Unit | None:
    tag = dataset.tags().get(UNIT_TAG)
    if tag is None:
        return None
    if tag not in get_args(Unit):
        raise InputError(
            f"{shown(dataset.name)} is tagged {UNIT_TAG}={tag}, which is none of "
            f"{', '.join(get_args(Unit))}: give --input-unit."
        )
    return cast(Unit, tag)
