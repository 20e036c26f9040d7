"""The scene below the map."""

from dataclasses import dataclass

import numpy as np
import pyproj
from numpy.typing import NDArray
from pyproj.exceptions import ProjError

from sarseg.errors import InputError
from sarseg.pages.backscatter import grey, mean_intensity
from sarseg.report.survey import MapSurvey
from sarseg.scenes.block_cache import ROWS_OF_A_MAP, block_cache
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_bounds, map_crs, misplacement, to_map, to_pixels, unrolled
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window


@dataclass(frozen=True)
class Backdrop:
    """The scene called ``name`` in ``shades`` of grey (h, w) on the pixels of a reduced map, and
    where these are ``known``."""

    name: str
    shades: NDArray[np.uint8]
    known: NDArray[np.bool_]


def backdrop(scene: Scene, survey: MapSurvey) -> Backdrop:
    """``scene`` on the pixels of the reduced map of ``survey``.

    The scene may have other pixels than the map: then both need a place on the ground, and each
    pixel shows the part of the scene that its centre lies in.

    Raises InputError where the scene cannot be placed on the map, lies elsewhere, or cannot be
    read.
    """
    places = _places(survey, scene)
    size = np.array([scene.width, scene.height])
    inside = ((places >= 0) & (places < size)).all(axis=-1)
    if not inside.any():
        raise InputError(
            f"The scene {scene.name} does not overlap the map {survey.path}; check which place it "
            "is of, and its CRS."
        )
    cells = places[inside].astype(np.int64)
    step = _step(places)
    # squares begin at the scene's corner, so that those of one grid are the map's own
    left, top = cells.min(axis=0) // step * step
    right, bottom = np.minimum((cells.max(axis=0) // step + 1) * step, size)
    window = Window(int(top), int(left), int(bottom - top), int(right - left))
    with block_cache(ROWS_OF_A_MAP):
        reduced = mean_intensity(scene, window, step)
    cols, rows = (cells - [left, top]).T // step
    intensity = np.full(survey.ids.shape, np.nan)
    intensity[inside] = reduced[rows, cols]
    return Backdrop(scene.name, *grey(intensity))


def _places(survey: MapSurvey, scene: Scene) -> NDArray[np.float64]:
    """Columns and rows (h, w, 2) in ``scene`` of the centres of the reduced map's pixels; NaN where
    there is no such place."""
    own, other = survey.georeference, scene.georeference
    centres = np.stack(
        np.meshgrid(_centres(own.width, survey.step), _centres(own.height, survey.step)), axis=-1
    )
    difference = other.difference(own)
    if difference is None:
        return centres
    apart = (
        f"The scene {scene.name} does not lie on the grid of the map {survey.path}: {difference}"
    )
    found = _on_scene(centres.reshape(-1, 2), own, other, apart)
    return found.reshape(centres.shape)


def _on_scene(
    points: NDArray[np.float64], own: Georeference, other: Georeference, apart: str
) -> NDArray[np.float64]:
    source, target = map_crs(own), map_crs(other)
    if source is None or target is None:
        lacking = "the map" if source is None else "the scene"
        raise InputError(
            f"{apart}, and without a CRS of {lacking} it is not known where their pixels meet. "
            "Give the scene that the map was made from."
        )
    for name, each in (("the map", own), ("the scene", other)):
        if reason := misplacement(each):
            raise InputError(f"{apart}, and {name} has no place on the ground: {reason}.")
    placed = to_map(points, own)
    if source != target:
        try:
            transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
        except ProjError as error:
            raise InputError(
                f"{apart}, and no way leads from {source.to_string()} to {target.to_string()}."
            ) from error
        placed = np.column_stack(transformer.transform(placed[:, 0], placed[:, 1]))
    known = np.isfinite(placed).all(axis=1)
    found = np.full(placed.shape, np.nan)
    left, _, right, _ = map_bounds(other)
    found[known] = to_pixels(unrolled(placed[known], target, (left + right) / 2), other)
    return found


def _step(places: NDArray[np.float64]) -> int:
    """Pixels of the scene from one of ``places`` (h, w, 2) to the next."""
    steps = [np.linalg.norm(np.diff(places, axis=axis), axis=-1) for axis in (0, 1)]
    known = [each[np.isfinite(each)] for each in steps]
    return max([1, *(round(float(np.median(each))) for each in known if each.size)])


def _centres(length: int, step: int) -> NDArray[np.float64]:
    starts = np.arange(0, length, step)
    return (starts + np.minimum(starts + step, length)) / 2
