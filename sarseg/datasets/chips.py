"""``sarseg tile``: a scene and its labels cut into chips of one size, with a manifest."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import rasterio
from numpy.typing import NDArray

from sarseg.classes import NODATA, complete_legend
from sarseg.datasets.manifest import ChipRecord, ChipWindow, Manifest, SceneRecord
from sarseg.datasets.output_folder import (
    IMAGE_FOLDER,
    LABEL_FOLDER,
    check_output_folder,
    replacing_folder,
)
from sarseg.datasets.sample import Split
from sarseg.datasets.split_raster import SplitRaster
from sarseg.errors import InputError, OutputError, UsageError
from sarseg.filters.chain import NO_FILTERS, Filters
from sarseg.filters.looks import scene_looks
from sarseg.filters.window import filtered_window
from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.georeference import Georeference, quietly_georeferenced
from sarseg.scenes.ground import pixel_size
from sarseg.scenes.labels import LabelRaster
from sarseg.scenes.location import shown, stem
from sarseg.scenes.radiometry import from_intensity, of_backscatter
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import DEFAULT, Reading
from sarseg.scenes.unit import UNIT_TAG, Unit
from sarseg.scenes.window import Window


@dataclass(frozen=True)
class ChipPlace:
    """One chip of the grid: its window (square; it overhangs a scene that is smaller than a chip)
    and ``fresh``, the part of it that no chip before shows."""

    window: Window
    fresh: Window


@dataclass(frozen=True)
class TilingSummary:
    """What was written: the manifest, the number of images, and of chips dropped as all nodata.

    ``doubts`` are sentences about what a person should know of the scene's numbers.
    """

    manifest: Manifest
    images: int
    dropped: int
    doubts: tuple[str, ...]


def chip_starts(length: int, size: int, overlap: int) -> list[int]:
    """First pixels of chips that cover ``length`` pixels, neighbours sharing ``overlap``.

    The last chip is flush with the far edge, so all are ``size`` long; it shares more with its
    neighbour where ``length`` is no multiple.
    """
    if length <= size:
        return [0]
    return [*range(0, length - size, size - overlap), length - size]


def chip_places(height: int, width: int, size: int, overlap: int) -> Iterator[ChipPlace]:
    """Chips that cover a scene of ``height`` x ``width`` pixels, in row order."""
    columns = _spans(width, size, overlap)
    for row, fresh_row in _spans(height, size, overlap):
        for col, fresh_col in columns:
            fresh = Window(fresh_row, fresh_col, row + size - fresh_row, col + size - fresh_col)
            yield ChipPlace(Window(row, col, size, size), fresh)


def _spans(length: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Start of each chip along one axis, and of what it adds to those before."""
    starts = chip_starts(length, size, overlap)
    return list(zip(starts, [0, *(start + size for start in starts[:-1])], strict=True))


def write_chips(
    files: Sequence[str],
    output: Path,
    *,
    size: int,
    overlap: int = 0,
    reading: Reading = DEFAULT,
    filters: Filters = NO_FILTERS,
    labels: Path | None = None,
    split: Path | None = None,
    class_names: Path | None = None,
    ignore: Sequence[int] = (),
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> TilingSummary:
    """Cut the scene in ``files`` into chips of ``size`` x ``size`` pixels in the folder ``output``.

    Images are float32 in the scene's own unit, after ``filters``, NaN where invalid; looks that
    the filters lack are estimated from the scene. Labels are class ids, 255 where a pixel is
    unlabelled, invalid in the scene, or of another split: a chip has one label file for each split
    in which it has labelled pixels. Without ``split`` all labels are for training; a chip without
    labelled pixels is listed as ``unlabelled``. ``ignore`` are label values that mean unlabelled
    besides the raster's nodata tag.

    Raises UsageError, InputError or OutputError; then nothing is left behind.
    """
    _check_options(size, overlap, labels, split, class_names, ignore)
    check_output_folder(output, overwrite=overwrite)
    with ExitStack() as stack:
        scene = stack.enter_context(Scene.open(files, reading))
        inputs = [*scene.files, *(path for path in (labels, split) if path is not None)]
        _check_inputs_outside(output, inputs)
        label_raster = split_raster = None
        if labels is not None:
            label_raster = stack.enter_context(
                LabelRaster(labels, scene, ignore=ignore, class_names=class_names)
            )
        if split is not None:
            split_raster = stack.enter_context(SplitRaster(split, scene))
        if filters.needs_looks:
            filters = filters.with_looks(scene_looks(scene))
        folder = stack.enter_context(replacing_folder(output))
        cutter = _Cutter(scene, files, label_raster, split_raster, filters, folder)
        places = list(chip_places(scene.height, scene.width, size, overlap))
        for done, place in enumerate(places, start=1):
            cutter.cut(place)
            if progress is not None:
                progress(done, len(places))
        return cutter.finish(size, overlap)


class _Cutter:
    """Writes chip after chip and keeps the account that becomes the manifest."""

    def __init__(
        self,
        scene: Scene,
        files: Sequence[str],
        labels: LabelRaster | None,
        split: SplitRaster | None,
        filters: Filters,
        folder: Path,
    ) -> None:
        self._scene, self._files = scene, files
        self._labels, self._split = labels, split
        self._filters = filters
        self._folder = folder
        self._stem = re.sub(r"[^\w.-]+", "_", stem(files[0]))
        self._chips: list[ChipRecord] = []
        self._pixels: defaultdict[Split, Counter[int]] = defaultdict(Counter)
        self._images = self._dropped = 0
        (folder / IMAGE_FOLDER).mkdir()

    def cut(self, place: ChipPlace) -> None:
        """Write the chip at ``place``, with a label file for each split it has labels of."""
        scene, size = self._scene, place.window.height
        window = place.window.within(scene.height, scene.width)
        values, valid = self._read(window)
        if not valid.any():
            self._dropped += 1
            return
        shown = np.s_[:, : window.height, : window.width]
        name = f"{self._stem}_r{window.row:05d}_c{window.col:05d}.tif"
        georeference = scene.georeference.window(place.window)

        image = np.full((len(scene.bands), size, size), np.nan, np.float32)
        image[shown] = np.where(valid, values, np.nan)
        image_path = f"{IMAGE_FOLDER}/{name}"
        _write_image(self._folder / image_path, image, georeference, scene.bands, scene.unit)
        self._images += 1

        fresh = place.fresh.within(scene.height, scene.width).slices_in(window)
        ids_of_splits = self._read_labels(window, valid)
        for split, ids in ids_of_splits.items():
            label = np.full((1, size, size), NODATA, np.uint8)
            label[shown] = ids
            label_path = f"{LABEL_FOLDER}/{split}/{name}"
            _write_label(self._folder / label_path, label, georeference)
            self._record(image_path, label_path, split, window, _count(ids))
            self._pixels[split].update(_count(ids[fresh]))
        if not ids_of_splits:
            self._record(image_path, None, "unlabelled", window, {})

    def _read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """All bands, filtered, in the scene's unit, and validity."""
        scene, bands = self._scene, range(len(self._scene.bands))
        if self._filters == NO_FILTERS:
            return scene.read(window, bands)
        linear, valid = filtered_window(scene, window, bands, self._filters)
        auxiliary = [is_auxiliary(band) for band in scene.bands]
        return of_backscatter(
            lambda each: from_intensity(each, scene.unit), linear, auxiliary
        ), valid

    def _record(
        self, image: str, label: str | None, split: Split, window: Window, pixels: dict[int, int]
    ) -> None:
        shown = ChipWindow(row=window.row, col=window.col, height=window.height, width=window.width)
        self._chips.append(
            ChipRecord(
                image=image,
                label=label,
                split=split,
                scene=self._stem,
                window=shown,
                pixels=pixels,
            )
        )

    def _read_labels(
        self, window: Window, valid: NDArray[np.bool_]
    ) -> dict[Split, NDArray[np.uint8]]:
        """Class ids of each split that has labelled pixels in ``window``."""
        if self._labels is None:
            return {}
        ids = np.where(valid, self._labels.read(window), np.uint8(NODATA))
        members: Mapping[Split, NDArray[np.bool_]] = {"train": np.ones_like(valid)}
        if self._split is not None:
            members = self._split.read(window)
        return {
            split: np.where(member, ids, np.uint8(NODATA))
            for split, member in members.items()
            if (ids[member] != NODATA).any()
        }

    def finish(self, size: int, overlap: int) -> TilingSummary:
        """Write the manifest. Raises InputError where there is nothing to list in it."""
        scene = self._scene
        if not self._chips:
            raise InputError(f"{scene.name} has no valid pixel, so there is no chip to write.")
        if self._labels is not None and not self._pixels:
            within = " in a split" if self._split is not None else ""
            raise InputError(
                f"The label raster {self._labels.path} labels no valid pixel of the scene{within}."
            )
        occurring = {class_id for counts in self._pixels.values() for class_id in counts}
        named = self._labels.named if self._labels is not None else ()
        georeference = scene.georeference
        crs = georeference.crs or georeference.gcp_crs
        manifest = Manifest(
            classes=complete_legend(sorted(occurring | {entry.id for entry in named}), named),
            bands=scene.bands,
            unit=scene.unit,
            filters=self._filters,
            size=size,
            overlap=overlap,
            scenes=(
                SceneRecord(
                    name=self._stem,
                    files=tuple(map(shown, self._files)),
                    height=scene.height,
                    width=scene.width,
                    crs=crs.to_string() if crs is not None else None,
                    pixel_size=pixel_size(scene.georeference),
                ),
            ),
            pixels={
                split: dict(sorted(self._pixels[split].items()))
                for split in get_args(Split)
                if split in self._pixels
            },
            chips=tuple(self._chips),
        )
        manifest.write(self._folder)
        return TilingSummary(manifest, self._images, self._dropped, scene.doubts)


def _check_options(
    size: int,
    overlap: int,
    labels: Path | None,
    split: Path | None,
    class_names: Path | None,
    ignore: Sequence[int],
) -> None:
    if size < 1:
        raise UsageError(f"--size is {size}; a chip has at least one pixel a side.")
    if not 0 <= overlap < size:
        raise UsageError(
            f"--overlap is {overlap}; it must be at least 0 and smaller than the chip size {size}."
        )
    if labels is None and (split is not None or class_names is not None or ignore):
        raise UsageError("--split, --classes and --ignore say how to read labels; give --labels.")


def _check_inputs_outside(output: Path, inputs: Sequence[Path]) -> None:
    for path in inputs:
        if output.resolve() in path.resolve().parents:
            raise OutputError(
                f"The input {path} lies in the output folder {output}, which would be replaced; "
                "name another folder."
            )


def _count(ids: NDArray[np.uint8]) -> dict[int, int]:
    """Pixels of each class that occurs."""
    counts = np.bincount(ids.ravel(), minlength=NODATA + 1)[:NODATA]
    return {int(class_id): int(counts[class_id]) for class_id in np.flatnonzero(counts)}


def _write_image(
    path: Path,
    image: NDArray[np.float32],
    georeference: Georeference,
    bands: Sequence[str],
    unit: Unit,
) -> None:
    profile = {"nodata": np.nan, "predictor": 3, **georeference.profile()}
    with _create(path, image, profile) as dataset:
        dataset.write(image)
        dataset.update_tags(**{UNIT_TAG: unit})
        for index, band in enumerate(bands, start=1):
            dataset.set_band_description(index, band)


def _write_label(path: Path, label: NDArray[np.uint8], georeference: Georeference) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _create(path, label, {"nodata": NODATA, **georeference.profile()}) as dataset:
        dataset.write(label)
        dataset.set_band_description(1, "class")


def _create(path: Path, array: NDArray[Any], profile: Mapping[str, Any]) -> Any:
    """A GeoTIFF open for writing, of the bands and type of ``array`` (bands, rows, cols)."""
    with quietly_georeferenced():
        return rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=array.shape[0],
            dtype=array.dtype,
            compress="deflate",
            **profile,
        )
