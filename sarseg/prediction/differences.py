"""In what a run, or a map, differs from what is asked for, in words that users know."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_NAMES = {
    "SARSEG_VERSION": "the version of sarseg",
    "SARSEG_SCENE": "the scene",
    "SARSEG_BANDS": "the bands that are used",
    "SARSEG_INPUT_UNIT": "--input-unit",
    "SARSEG_SCALING": "--scaling",
    "SARSEG_OVERLAP": "--overlap",
    "SARSEG_BLEND": "--blend",
    "SARSEG_TTA": "--tta",
    "SARSEG_CLASSES": "--classes",
    "SARSEG_BOXES": "the file of boxes",
    "SARSEG_AOI": "--aoi",
    "SARSEG_NODATA": "--nodata",
    "SARSEG_CALIBRATION": "--calibration",
    "SARSEG_TO_CRS": "--to-crs",
    "SARSEG_RESOLUTION": "--resolution",
    "SARSEG_KEEP_LAYOVER": "--keep-layover",
    "SARSEG_DEVICE": "--device",
    "SARSEG_PRECISION": "--precision",
    "SARSEG_BATCH_SIZE": "--batch-size",
    "bands": "the list of the map's bands",
    "reading bands": "--bands",
    "reading unit": "--input-unit",
    "reading nodata": "--nodata",
    "reading calibration": "--calibration",
    "reading area": "--aoi",
    "reading to_crs": "--to-crs",
    "reading resolution": "--resolution",
    "reading keep_layover": "--keep-layover",
    "reading allow_missing": "--allow-missing",
    "places": "the scene",
    "shape": "the scene's size",
    "device": "--device",
    "threads": "the number of threads",
    "precision": "--precision",
    "batch_size": "--batch-size",
    "strips": "the division into strips",
}
"""What users call that which ``run_identity`` and the map's tags hold, where its value tells."""

_CHANGED = {
    "SARSEG_MODEL_SHA256": "the model is another one",
    "SARSEG_BACKBONE_SHA256": "the weights of the backbone are others",
    "SARSEG_INPUTS_SHA256": "the scene's files hold something else",
    "grid": "the scene's grid is another one",
}
"""Where it does not."""

_LONGEST = 60
"""Characters of a value."""


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is not the same ``before`` and ``now``, each a sentence's worth: JSON values under the
    keys of ``run_identity`` or of a map's tags, None where there is nothing."""
    told = {}
    for key in dict.fromkeys([*now, *before]):
        one, other = before.get(key), now.get(key)
        if json.dumps(one) == json.dumps(other):  # NaN is what it was
            continue
        if key == "files":
            told[_CHANGED["SARSEG_INPUTS_SHA256"]] = _changed_files(one or (), other or ())
        elif key == "versions":
            old, new = one or {}, other or {}
            for name in dict.fromkeys([*new, *old]):
                told |= _told(f"the version of {name}", old.get(name), new.get(name))
        elif key in _CHANGED:
            told[_CHANGED[key]] = _CHANGED[key]
        else:
            told |= _told(_NAMES.get(key, key), one, other)
    return list(told.values())


def _told(name: str, one: Any, other: Any) -> dict[str, str]:
    """Under its name, so that what two keys hold is told once."""
    return {} if one == other else {name: f"{name} was {_said(one)} and is now {_said(other)}"}


def _changed_files(before: Sequence[Sequence[Any]], now: Sequence[Sequence[Any]]) -> str:
    """``before`` and ``now`` are stamps of files: path, size and time of change."""
    changed = [stamp[0] for stamp in [*before, *now] if stamp not in before or stamp not in now]
    names = dict.fromkeys(Path(path).name for path in changed)
    return f"files have changed since, or are others: {_short(', '.join(names))}"


def _said(value: Any) -> str:
    if value is None or value is False:
        return "not given"
    if value is True:
        return "given"
    return _short(", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
