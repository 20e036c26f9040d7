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

from sarseg.classes import NODATA, LandCoverClass, complete_legend
from sarseg.datasets.manifest import (
    KEEP_VALID,
    ChipRecord,
    ChipWindow,
    DropRules,
    LabelRecord,
    Manifest,
    SceneRecord,
)
from sarseg.datasets.output_folder import (
    IMAGE_FOLDER,
    LABEL_FOLDER,
    check_output_folder,
    replacing_folder,
)
from sarseg.datasets.quicklook import write_quicklook
from sarseg.datasets.sample import Split
from sarseg.datasets.splits import BLOCKS, SpatialBlocks, Splits, open_splits
from sarseg.errors import InputError, OutputError, UsageError
from sarseg.filters.chain import NO_FILTERS, Filters
from sarseg.filters.looks import scene_looks
from sarseg.filters.window import filtered_window
from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.georeference import Georeference, quietly_georeferenced
from sarseg.scenes.ground import pixel_size
from sarseg.scenes.labels import Labels, open_labels
from sarseg.scenes.location import shown, stem
from sarseg.scenes.radiometry import from_intensity, of_backscatter
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import DEFAULT, Reading
from sarseg.scenes.unit import UNIT_TAG, Unit
from sarseg.scenes.window import Window


@dataclass(frozen=True)
class TilingSummary:
    """What was written: the manifest and the number of images; and how many chips were left out for
    lack of valid pixels, and for lack of labelled ones.

    ``doubts`` are sentences about what a person should know of the scene's numbers, and of splits
    and classes that lack pixels.
    """

    manifest: Manifest
    images: int
    dropped_invalid: int
    dropped_unlabelled: int
    doubts: tuple[str, ...]


def chip_starts(length: int, size: int, overlap: int) -> list[int]:
    """First pixels of chips that cover ``length`` pixels, neighbours sharing ``overlap``.

    The last chip is flush with the far edge, so all are ``size`` long; it shares more with its
    neighbour where ``length`` is no multiple.
    """
    if length <= size:
        return [0]
    return [*range(0, length - size, size - overlap), length - size]


def chip_windows(height: int, width: int, size: int, overlap: int) -> Iterator[Window]:
    """Square windows that cover a scene of ``height`` x ``width`` pixels, in row order; they
    overhang a scene that is smaller than a chip."""
    for row in chip_starts(height, size, overlap):
        for col in chip_starts(width, size, overlap):
            yield Window(row, col, size, size)


def write_chips(
    files: Sequence[str],
    output: Path,
    *,
    size: int,
    overlap: int = 0,
    reading: Reading = DEFAULT,
    filters: Filters = NO_FILTERS,
    labels: Path | None = None,
    label_attribute: str | None = None,
    class_names: Path | None = None,
    ignore: Sequence[int | str] = (),
    split: Path | str | None = None,
    split_attribute: str | None = None,
    blocks: SpatialBlocks | None = None,
    drop: DropRules = KEEP_VALID,
    quicklook: bool = True,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> TilingSummary:
    """Cut the scene in ``files`` into chips of ``size`` x ``size`` pixels in the folder ``output``.

    Images are float32 in the scene's own unit, after ``filters``, NaN where invalid; looks that
    the filters lack are estimated from the scene. Labels are class ids, 255 where a pixel is
    unlabelled, invalid in the scene, or of another split: a chip has one label file for each split
    in which it has labelled pixels. Without ``split`` all labels are for training; a chip without
    labelled pixels is listed as ``unlabelled``. ``labels``, ``label_attribute``, ``class_names``
    and ``ignore`` are as ``open_labels`` takes them, ``split``, ``split_attribute`` and ``blocks``
    (by default twice as large as a chip) as ``open_splits`` does. ``drop`` says which chips are
    left out. ``quicklook`` adds a picture of some of the chips.

    Raises UsageError, InputError or OutputError; then nothing is left behind.
    """
    _check_options(size, overlap, labels, [split, label_attribute, class_names, *ignore], drop)
    check_output_folder(output, overwrite=overwrite)
    with ExitStack() as stack:
        scene = stack.enter_context(Scene.open(files, reading))
        given = [Path(each) for each in (labels, class_names, split) if each not in (None, BLOCKS)]
        _check_inputs_outside(output, [*scene.files, *given])
        opened = division = None
        source = None
        if labels is not None:
            opened = stack.enter_context(
                open_labels(
                    labels, scene, ignore=ignore, classes=class_names, attribute=label_attribute
                )
            )
            source = LabelRecord(
                file=str(labels),
                attribute=label_attribute,
                classes=None if class_names is None else str(class_names),
                ignore=tuple(ignore),
            )
        if split is not None:
            blocks = blocks or SpatialBlocks(2 * size)
            division = stack.enter_context(
                open_splits(str(split), scene, attribute=split_attribute, blocks=blocks)
            )
        if filters.needs_looks:
            filters = filters.with_looks(scene_looks(scene))
        folder = stack.enter_context(replacing_folder(output))
        cutter = _Cutter(scene, files, opened, division, filters, drop, folder)
        windows = list(chip_windows(scene.height, scene.width, size, overlap))
        for done, window in enumerate(windows, start=1):
            cutter.cut(window)
            if progress is not None:
                progress(done, len(windows))
        summary = cutter.finish(size, overlap, source)
        if quicklook:
            write_quicklook(folder, summary.manifest)
        return summary


class _Cutter:
    """Writes chip after chip and keeps the account that becomes the manifest."""

    def __init__(
        self,
        scene: Scene,
        files: Sequence[str],
        labels: Labels | None,
        splits: Splits | None,
        filters: Filters,
        drop: DropRules,
        folder: Path,
    ) -> None:
        self._scene, self._files = scene, files
        self._labels, self._splits = labels, splits
        self._filters = filters
        self._drop = drop
        self._folder = folder
        self._stem = re.sub(r"[^\w.-]+", "_", stem(files[0]))
        self._chips: list[ChipRecord] = []
        self._shown: list[Window] = []
        self._pixels: defaultdict[Split, Counter[int]] = defaultdict(Counter)
        self._images = self._invalid = self._unlabelled = 0
        self._any_labelled = self._any_divided = False
        (folder / IMAGE_FOLDER).mkdir()

    def cut(self, place: Window) -> None:
        """Write the chip at ``place``, with a label file for each split it has labels of."""
        scene, size = self._scene, place.height
        window = place.within(scene.height, scene.width)
        values, valid = self._read(window)
        if not valid.any() or valid.sum() < self._drop.min_valid * size**2:
            self._invalid += 1
            return
        ids_of_splits = self._read_labels(window, valid)
        if self._labels is not None and not self._labelled_enough(ids_of_splits, size):
            self._unlabelled += 1
            return
        shown = np.s_[:, : window.height, : window.width]
        name = f"{self._stem}_r{window.row:05d}_c{window.col:05d}.tif"
        georeference = scene.georeference.window(place)

        image = np.full((len(scene.bands), size, size), np.nan, np.float32)
        image[shown] = np.where(valid, values, np.nan)
        image_path = f"{IMAGE_FOLDER}/{name}"
        _write_image(self._folder / image_path, image, georeference, scene.bands, scene.unit)
        self._images += 1

        fresh = self._not_shown_before(window)
        for split, ids in ids_of_splits.items():
            label = np.full((1, size, size), NODATA, np.uint8)
            label[shown] = ids
            label_path = f"{LABEL_FOLDER}/{split}/{name}"
            _write_label(self._folder / label_path, label, georeference)
            self._record(image_path, label_path, split, window, _count(ids))
            self._pixels[split].update(_count(ids[fresh]))
        if not ids_of_splits:
            self._record(image_path, None, "unlabelled", window, {})

    def _labelled_enough(self, ids_of_splits: Mapping[Split, NDArray[np.uint8]], size: int) -> bool:
        most = max(((ids != NODATA).sum() for ids in ids_of_splits.values()), default=0)
        return bool(most >= self._drop.min_labelled * size**2)

    def _not_shown_before(self, window: Window) -> NDArray[np.bool_]:
        """The pixels of ``window`` that no chip written before shows."""
        # chips come in row order: what ends above this one meets none that follows
        self._shown = [each for each in self._shown if each.row_end > window.row]
        fresh = np.ones((window.height, window.width), np.bool_)
        for each in self._shown:
            rows, cols = each.slices_in(window)
            fresh[
                max(rows.start, 0) : max(rows.stop, 0), max(cols.start, 0) : max(cols.stop, 0)
            ] = False
        self._shown.append(window)
        return fresh

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
        if self._splits is not None:
            members = self._splits.read(window)
        found = {
            split: np.where(member, ids, np.uint8(NODATA))
            for split, member in members.items()
            if (ids[member] != NODATA).any()
        }
        self._any_labelled |= bool((ids != NODATA).any())
        self._any_divided |= bool(found)
        return found

    def finish(self, size: int, overlap: int, labels: LabelRecord | None) -> TilingSummary:
        """Write the manifest. Raises InputError where chips or training labels are lacking."""
        scene = self._scene
        self._check_result()
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
            labels=labels,
            division=self._division(),
            dropped=self._drop,
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
        doubts = (*scene.doubts, *self._lacking(manifest.classes))
        return TilingSummary(manifest, self._images, self._invalid, self._unlabelled, doubts)

    def _check_result(self) -> None:
        scene, path = self._scene, self._labels.path if self._labels is not None else None
        if self._invalid and not self._images and not self._unlabelled:
            if self._drop.min_valid:
                raise InputError(
                    f"No chip of {scene.name} has the share of valid pixels that --min-valid asks "
                    f"for, {self._drop.min_valid:g}; give a smaller one, or a smaller --size."
                )
            raise InputError(f"{scene.name} has no valid pixel, so there is no chip to write.")
        if self._splits is not None and self._any_labelled and not self._any_divided:
            raise InputError(self._splits.leaves_nothing)
        if not self._images:
            raise InputError(
                f"{path} labels no chip of {scene.name} as fully as --min-labelled asks for, "
                f"{self._drop.min_labelled:g}; give a smaller share, or a smaller --size."
            )
        if path is not None and not self._pixels:
            raise InputError(f"{path} labels no valid pixel of the scene.")

    def _division(self) -> str:
        if self._labels is None:
            return ""
        return "all pixels for training" if self._splits is None else self._splits.description

    def _lacking(self, classes: Sequence[LandCoverClass]) -> Iterator[str]:
        """Sentences about splits without pixels, and classes without any in a split."""
        if self._labels is None:
            return
        trained = self._pixels["train"] if "train" in self._pixels else Counter[int]()
        for split in self._splits.intended if self._splits is not None else ():
            if split not in self._pixels:
                yield f"No labelled pixel is for {split}."
            elif absent := [
                entry
                for entry in classes
                if entry.id in trained and entry.id not in self._pixels[split]
            ]:
                remedy = self._splits.remedy if self._splits is not None else ""
                advice = f": {remedy}" if remedy else ""
                yield f"{split.capitalize()} has no pixel of {_listed(absent)}{advice}."
        if absent := [entry for entry in classes if entry.id not in trained]:
            yield f"No training pixel is of: {_listed(absent)}. A model cannot learn that."


def _check_options(
    size: int, overlap: int, labels: Path | None, of_labels: Sequence[object], drop: DropRules
) -> None:
    if size < 1:
        raise UsageError(f"--size is {size}; a chip has at least one pixel a side.")
    if not 0 <= overlap < size:
        raise UsageError(
            f"--overlap is {overlap}; it must be at least 0 and smaller than the chip size {size}."
        )
    if labels is None and (drop.min_labelled or any(each is not None for each in of_labels)):
        raise UsageError(
            "--split, --classes, --ignore, --label-attribute and --min-labelled are about labels; "
            "give --labels."
        )


def _check_inputs_outside(output: Path, inputs: Sequence[Path]) -> None:
    for path in inputs:
        if output.resolve() in path.resolve().parents:
            raise OutputError(
                f"The input {path} lies in the output folder {output}, which would be replaced; "
                "name another folder."
            )


def _listed(classes: Sequence[LandCoverClass]) -> str:
    return ", ".join(f"{entry.id} {entry.name}" for entry in classes)


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
