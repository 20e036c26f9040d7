"""The areas of a scene where labels would help a model most, as polygons."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import LandCoverClass
from sarseg.decoders import DECODERS
from sarseg.errors import InputError, UsageError
from sarseg.model.file import LoadedModel
from sarseg.prediction.caching import bounded_cache
from sarseg.prediction.inputs import input_files
from sarseg.prediction.rows import map_rows
from sarseg.prediction.settings import DEFAULTS, PredictSettings
from sarseg.prediction.tile_reading import checked_grid
from sarseg.scenes.ground import map_crs, misplacement
from sarseg.scenes.reader import Scene
from sarseg.suggestion.ranking import ranked
from sarseg.suggestion.squares import Squares, squares_of
from sarseg.vectors.formats.features import Features
from sarseg.vectors.placement import place
from sarseg.vectors.regions import Polygons
from sarseg.vectors.write import check_crs, check_target, is_reprojected, write_features

LAYER = "suggestions"

SMALLEST = 16
"""Pixels of a square's side: smaller ones are no areas to label, and too many to be counted."""

_VALID = 0.5
"""Of a square's pixels: those with fewer have little to label."""

_TOLD = 0.05
"""Of a square: classes with less are not named."""


@dataclass(frozen=True)
class SuggestionSummary:
    """How many squares of ``side`` pixels were written, of how many ``candidates``; the mean
    entropy (0..1) of those and of these, and sentences on what the file cannot hold."""

    output: Path
    suggested: int
    candidates: int
    side: int
    entropy: float
    entropy_of_candidates: float
    notes: tuple[str, ...]


def suggest(
    scene: Scene,
    model: LoadedModel,
    output: Path,
    *,
    count: int,
    side: int,
    settings: PredictSettings = DEFAULTS,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> SuggestionSummary:
    """Write the ``count`` squares of ``side`` pixels to label first to ``output``, see ``ranked``.

    Fields: ``rank`` from 1; ``score``, what the square was chosen by, and ``entropy`` in percent,
    the mean over its pixels; ``valid``, percent of its pixels; ``classes``, what the model sees
    there. No candidates are squares of which less than half is valid, and those that the model is
    sure of.

    Raises UsageError where options make no sense or do not fit the model, OutputError where
    ``output`` cannot be written, InputError where the scene cannot be read, it cannot be told where
    it lies, or it has no such square.
    """
    if count < 1 or side < SMALLEST:
        raise UsageError(
            f"{count} squares of {side} pixels: choose 1 or more, of {SMALLEST} pixels or more."
        )
    if DECODERS[model.card.decoder].takes_boxes:
        raise UsageError(
            "Suggestions are for models that map a whole scene; this one looks inside boxes only. "
            "Choose another --model."
        )
    georeference = scene.georeference
    if reason := misplacement(georeference):
        raise InputError(f"It cannot be told where the pixels of {scene.name} lie: {reason}.")
    crs = map_crs(georeference)
    settings = replace(settings, confidence=False, entropy=True, probabilities=True, classes=None)
    check_target(
        output, layer=LAYER, overwrite=overwrite, inputs=input_files(scene, settings, None)
    )
    check_crs(output, crs)
    grid = checked_grid(scene, model.card, settings, None)
    rows = map_rows(scene, model, settings, progress=progress)
    with bounded_cache(scene, grid, model.card, grid.width), closing(rows):
        squares = squares_of(rows, (scene.height, scene.width), side)
    candidates = np.argwhere((squares.valid >= _VALID) & (squares.entropy > 0))
    if not len(candidates):
        raise InputError(
            f"No square of {side} pixels of {scene.name} is at least half valid and holds anything "
            "that the model is unsure of: choose smaller ones by --size, or another scene."
        )
    entropy = squares.entropy[tuple(candidates.T)]
    mixtures = squares.probabilities[:, *candidates.T].T
    chosen, scores = ranked(entropy, mixtures / mixtures.sum(axis=1, keepdims=True), count)
    places = candidates[chosen]
    shapes = place(_outlines(squares, places), scene.georeference, bent=is_reprojected(output, crs))
    fields = {
        "rank": np.arange(1, len(chosen) + 1, dtype=np.int32),
        "score": 100 * scores,
        "entropy": 100 * entropy[chosen],
        "valid": 100 * squares.valid[tuple(places.T)],
        "classes": np.array([_told(each, model.card.classes) for each in mixtures[chosen]], object),
    }
    written = write_features(
        [Features(shapes, fields)], output, crs=crs, layer=LAYER, overwrite=overwrite
    )
    return SuggestionSummary(
        output,
        len(chosen),
        len(candidates),
        side,
        float(entropy[chosen].mean()),
        float(entropy.mean()),
        written.notes,
    )


def _outlines(squares: Squares, places: NDArray[np.intp]) -> Polygons:
    """Squares, cut at the scene's edges, whose row and column ``places`` (N, 2) says."""
    top, left = squares.side * places.T
    bottom = np.minimum(top + squares.side, squares.shape[0])
    right = np.minimum(left + squares.side, squares.shape[1])
    cols = np.stack([left, left, right, right, left], axis=1)
    rows = np.stack([top, bottom, bottom, top, top], axis=1)
    corners = np.stack([cols, rows], axis=2).reshape(-1, 2).astype(np.float64)
    number = np.arange(len(places) + 1)
    return Polygons(corners, 5 * number, number)


def _told(mixture: NDArray[np.float64], classes: Sequence[LandCoverClass]) -> str:
    """As in ``cropland 61%, woodland 30%``."""
    order = np.argsort(-mixture, kind="stable")
    named = [number for number in order if mixture[number] >= _TOLD] or order[:1]
    return ", ".join(f"{classes[number].name} {mixture[number]:.0%}" for number in named)
