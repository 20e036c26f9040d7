"""Options that say how a scene is to be read: the same for every command that takes one."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any

import typer

from sarseg.cli.options import split_names
from sarseg.errors import UsageError
from sarseg.scenes.reading import DEFAULT, Reading
from sarseg.scenes.unit import parse_calibration, parse_unit

_PANEL = "Reading the scene"


def _option(name: str, metavar: str, help_text: str) -> Any:
    return typer.Option(name, metavar=metavar, help=help_text, rich_help_panel=_PANEL)


def _reading(
    bands: Annotated[
        str | None,
        _option(
            "--bands",
            "VV,VH",
            "Names of the bands in order, where they are not recognised: polarisations, or "
            "incidence_angle, local_incidence_angle, elevation, layover_shadow.",
        ),
    ] = None,
    input_unit: Annotated[
        str, _option("--input-unit", "UNIT", "auto, intensity, amplitude or db.")
    ] = "auto",
    nodata: Annotated[
        float | None, _option("--nodata", "VALUE", "Pixels of this value hold no data either.")
    ] = None,
    calibration: Annotated[
        str,
        _option(
            "--calibration",
            "NAME",
            "sigma0, beta0 or gamma0 (on the ellipsoid), of products that bring their calibration.",
        ),
    ] = "sigma0",
    aoi: Annotated[
        str | None,
        _option(
            "--aoi", "FILE|L,B,R,T", "Area of interest: vector file, or bounds in the scene's CRS."
        ),
    ] = None,
    to_crs: Annotated[
        str | None,
        _option("--to-crs", "CRS", "Warp to this map CRS, as in EPSG:32631; terrain stays."),
    ] = None,
    resolution: Annotated[
        float | None,
        _option("--resolution", "X", "Pixel size of the warped scene, in units of its CRS."),
    ] = None,
    keep_layover: Annotated[
        bool,
        typer.Option(
            "--keep-layover",
            help="Keep pixels that a layover and shadow mask marks.",
            rich_help_panel=_PANEL,
        ),
    ] = False,
) -> Reading:
    names = split_names(bands)
    if resolution is not None and not 0 < resolution < float("inf"):
        raise UsageError(f"--resolution is {resolution:g}: give a pixel size above 0.")
    return Reading(
        bands=None if names is None else tuple(names),
        unit=parse_unit(input_unit),
        nodata=nodata,
        calibration=parse_calibration(calibration),
        area=aoi,
        to_crs=to_crs,
        resolution=resolution,
        keep_layover=keep_layover,
    )


def takes_reading(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with its parameter ``reading: Reading`` given by the options of this module."""
    own = inspect.signature(command)
    options = inspect.signature(_reading).parameters

    @wraps(command)
    def run(**given: Any) -> None:
        reading = _reading(**{name: given.pop(name) for name in options})
        command(**given, reading=reading)

    parameters = [each for each in own.parameters.values() if each.name != "reading"]
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[each.replace(kind=keyword_only) for each in (*parameters, *options.values())]
    )
    return run


def check_scene_named(scene: Sequence[str] | None, reading: Reading) -> None:
    """Raise UsageError where it is said how a scene is to be read, but not which: ``--scene``."""
    if not scene and reading != DEFAULT:
        raise UsageError(
            "Options that say how a scene is to be read were given, but no scene: name its files "
            "by --scene."
        )
