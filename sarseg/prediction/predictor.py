"""From a scene to a land-cover map: what is mapped is kept in a journal, then written."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from sarseg.classes import NODATA
from sarseg.errors import SarsegError
from sarseg.model.file import LoadedModel
from sarseg.model.memory import release_memory
from sarseg.prediction.boxes import BoxSource
from sarseg.prediction.caching import bounded_cache
from sarseg.prediction.filling import Progress, fill_journal, tiles_before
from sarseg.prediction.fit import bands_used, nothing_valid
from sarseg.prediction.inputs import input_files
from sarseg.prediction.journal import Journal, Position, kept, unfinished
from sarseg.prediction.mapping import BatchTooLargeError
from sarseg.prediction.planning import (
    PredictionPlan,
    Tell,
    Work,
    measured_again,
    measured_work,
    planned,
    settled,
)
from sarseg.prediction.settings import DEFAULTS, PredictSettings
from sarseg.prediction.tags import missing_tags
from sarseg.prediction.tile_reading import checked_grid
from sarseg.scenes.geotiff import check_geotiff
from sarseg.scenes.landcover import write_landcover
from sarseg.scenes.reader import Scene
from sarseg.wording import counted


@dataclass(frozen=True)
class PredictionSummary:
    """What was predicted.

    ``shape`` is (rows, columns), ``bands`` the scene's bands that were used. ``tiles`` counts all
    tiles, of which ``resumed`` came from an earlier, unfinished run; ``skipped`` had no valid
    pixel and ``unprompted`` some but no box that says where to look. Of ``missing`` ones parts
    could not be read, which ``unreadable`` names. ``pixels`` counts pixels by class name, and those
    without a class under ``nodata``.
    """

    output: Path
    shape: tuple[int, int]
    bands: tuple[str, ...]
    tiles: int
    resumed: int
    skipped: int
    unprompted: int
    missing: int
    unreadable: tuple[str, ...]
    device: str
    precision: str
    batch_size: int
    seconds: float
    pixels: dict[str, int]


def predict_scene(
    scene: Scene,
    model: LoadedModel,
    output: Path,
    settings: PredictSettings = DEFAULTS,
    *,
    boxes: BoxSource | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    tell: Tell | None = None,
) -> PredictionSummary:
    """Write the land-cover map of ``scene`` to ``output``, on the scene's grid.

    ``boxes`` says where a model whose decoder takes boxes has to look, and is for no other; tiles
    without a box hold nothing but the rest, for certain, and are not segmented. Invalid pixels
    become nodata; tiles without a valid pixel are skipped. ``progress(done, total)`` is called as
    tiles are finished, ``tell`` with sentences about what is decided on the way.

    Whatever ends the work early leaves what was saved of it in a hidden folder beside ``output``;
    with ``resume`` it is gone on with, and the map is to the byte what it is in one go.

    Raises ModelError where the model does not fit the scene's bands, OutputError where ``output``
    cannot be written or is one of the files read, or ``resume`` finds a run that was begun with
    other settings, InputError where the scene cannot be read, or no box lies on it, of its kind
    EmptySceneError where no pixel is valid, UsageError where options make no sense together.
    """
    started = time.monotonic()
    checked_grid(scene, model.card, settings, boxes)
    check_geotiff(output, "map", overwrite=overwrite, inputs=input_files(scene, settings, boxes))
    begun = unfinished(output) if resume else None
    try:
        work = settled(scene, model, settings, boxes, tell, begun=begun)
        while True:
            try:
                position, resumed = _written(work, output, resume, progress, tell)
                break
            except BatchTooLargeError:
                if work.batch_size == 1 or unfinished(output) is not None:
                    raise
                work = work.with_smaller_batches()
                if tell:
                    now = counted(work.batch_size, "tile")
                    tell(f"The memory of {model.device} is full: {now} at once now.")
    except KeyboardInterrupt as error:
        if str(error):
            raise
        told = f"stopped before anything of {output} was saved."
        if unfinished(output) is not None:
            told = f"what an earlier run saved of {output} is kept: --resume goes on with it."
        raise KeyboardInterrupt(told) from error
    return _summary(work, output, position, resumed, time.monotonic() - started)


def plan_scene(
    scene: Scene,
    model: LoadedModel,
    output: Path,
    settings: PredictSettings = DEFAULTS,
    *,
    boxes: BoxSource | None = None,
    resume: bool = False,
    tell: Tell | None = None,
) -> PredictionPlan:
    """What ``predict_scene`` would do, from one batch of made-up tiles; nothing is written.

    With ``resume``, what is left of an unfinished run of ``output``, divided as that one is. Raises
    what ``predict_scene`` raises of the model, the options and the unfinished run.
    """
    begun = unfinished(output) if resume else None
    if begun is None:
        return planned(*measured_work(scene, model, settings, boxes, tell))
    work = settled(scene, model, settings, boxes, tell, begun=begun)
    position = kept(output, work.identity, len(work.layers.bands))
    return planned(work, measured_again(work), tiles_before(work.strips, position))


def _written(
    work: Work, output: Path, resume: bool, progress: Progress | None, tell: Tell | None
) -> tuple[Position, int]:
    """Map what is not mapped yet, and write the map.

    Where the journal ends, and how many tiles an earlier run left.
    """
    num_bands = len(work.layers.bands)
    with (
        bounded_cache(work.scene, work.grid, work.model.card, work.widest),
        Journal(output, work.identity, num_bands, resume=resume) as journal,
    ):
        resumed = tiles_before(work.strips, journal.position)
        if tell and journal.discarded:
            tell(f"The unfinished run of {output} is begun anew: {journal.discarded}.")
        if tell and resume and not (resumed or journal.discarded):
            tell(f"No unfinished run of {output} is there: all of it is mapped.")
        if tell and resumed:
            tell(f"Going on after {resumed} of {counted(work.tiles, 'tile')}.")
        try:
            fill_journal(work, journal, progress)
            if not any(journal.position.pixels[:NODATA]):
                journal.discard()
                raise nothing_valid(work.scene, work.model.card)
            # GDAL needs some for overviews, the more the wider the map: less than mapping did
            release_memory(torch.device("cpu"))
            write_landcover(
                output,
                work.scene.georeference,
                work.layers.regrouping.classes,
                work.layers.bands,
                journal.raw_strips((strip.col, strip.width) for strip in work.strips),
                tags=work.tags | missing_tags(journal.position.counts.missing),
                work=journal.folder,
            )
        except (SarsegError, KeyboardInterrupt) as error:
            if not journal.saved:
                raise
            done = tiles_before(work.strips, journal.position)
            hint = f"{done} of {counted(work.tiles, 'tile')} are kept: --resume goes on with them"
            hint += ", in batches as large." if isinstance(error, BatchTooLargeError) else "."
            raise type(error)(f"{error} {hint}".strip()) from error
        return journal.position, resumed


def _summary(
    work: Work, output: Path, position: Position, resumed: int, seconds: float
) -> PredictionSummary:
    counts = position.counts
    classes = work.layers.regrouping.classes
    return PredictionSummary(
        output=output,
        shape=(work.scene.height, work.scene.width),
        bands=bands_used(work.scene, work.model.card),
        tiles=work.tiles,
        resumed=resumed,
        skipped=counts.skipped,
        unprompted=counts.unprompted,
        missing=counts.missing,
        unreadable=position.missing,
        device=work.model.device,
        precision=work.forward.precision,
        batch_size=work.batch_size,
        seconds=seconds,
        pixels={
            **{entry.name: position.pixels[entry.id] for entry in classes},
            "nodata": position.pixels[NODATA],
        },
    )
