"""How the files of a scene are to be read, where they do not say so themselves."""

from dataclasses import dataclass

from sarseg.scenes.unit import Calibration, Unit


@dataclass(frozen=True)
class Reading:
    """What a user says about a scene; the defaults leave it to the files.

    ``bands`` names all bands in order. ``unit`` is what the numbers are. Pixels that hold
    ``nodata`` are invalid, beside those that the files mark. ``calibration`` is what products that
    bring their calibration with them (Sentinel-1 SAFE) are calibrated to. ``area`` limits the
    scene: a vector file, or ``"left,bottom,right,top"`` in the CRS of the scene's map. ``to_crs``
    and ``resolution`` (in units of that CRS) warp it to a map grid. ``keep_layover`` keeps the
    pixels that a layover and shadow mask among the files marks. With ``allow_missing``, parts of
    files that cannot be read are invalid pixels and no error.
    """

    bands: tuple[str, ...] | None = None
    unit: Unit | None = None
    nodata: float | None = None
    calibration: Calibration = "sigma0"
    area: str | None = None
    to_crs: str | None = None
    resolution: float | None = None
    keep_layover: bool = False
    allow_missing: bool = False


DEFAULT = Reading()
"""Everything is left to the files."""
