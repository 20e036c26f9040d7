"""What a dataset holds."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from sarseg.classes import LandCoverClass
from sarseg.datasets.chip_folder import ChipFolder, read_manifests
from sarseg.datasets.manifest import SceneRecord
from sarseg.datasets.sample import IGNORE, ChipSource, Split
from sarseg.datasets.source import open_dataset
from sarseg.filters.chain import Filters
from sarseg.inspection.report import Report
from sarseg.scenes.unit import Unit

Progress = Callable[[int, int], None]


class SplitReport(Report):
    """Chips of a split, and its labelled pixels by the name of the class."""

    chips: int
    pixels: dict[str, int]


class DatasetReport(Report):
    """A dataset for training.

    ``size`` is the rows, and columns, of every chip; ``units`` what the numbers of the chips are;
    ``filters`` what they have gone through; ``pixel_size`` the side of a pixel on the ground in
    metres. ``scenes`` is empty where they are not recorded; ``division`` says how the splits came
    about; ``remarks`` are sentences about how the files were read.
    """

    name: str
    classes: tuple[LandCoverClass, ...]
    bands: tuple[str, ...]
    units: tuple[Unit, ...]
    size: int
    filters: Filters
    pixel_size: float | None
    scenes: tuple[SceneRecord, ...]
    division: str
    remarks: tuple[str, ...]
    splits: dict[Split, SplitReport]


def inspect_dataset(
    dataset: str, data: Path | None = None, progress: Progress | None = None
) -> DatasetReport:
    """Look at a dataset; ``dataset`` and ``data`` are as ``open_dataset`` takes them.

    Pixels are those that the manifests of chips count, each pixel of a scene once; the labels of
    other datasets are read, where ``progress(done, total)`` counts chips.

    Raises DatasetError where the data are missing, damaged or inconsistent, UsageError where
    ``data`` is given for a folder.
    """
    source = open_dataset(dataset, data)
    if isinstance(source, ChipFolder):
        manifests = read_manifests(Path(dataset)).values()
        pixels = _recorded_pixels(manifest.pixels for manifest in manifests)
    else:
        pixels = _labelled_pixels(source, progress)
    names = {entry.id: entry.name for entry in source.classes}
    refs = [ref for of_split in source.splits.values() for ref in of_split]
    return DatasetReport(
        name=source.name,
        classes=source.classes,
        bands=source.bands,
        units=tuple(sorted({ref.unit for ref in refs})),
        size=source.tile_size,
        filters=source.filters,
        pixel_size=source.pixel_size,
        scenes=source.scenes,
        division=source.division,
        remarks=source.remarks,
        splits={
            split: SplitReport(
                chips=len(of_split),
                pixels={name: pixels.get(split, Counter())[i] for i, name in names.items()},
            )
            for split, of_split in source.splits.items()
        },
    )


def _recorded_pixels(recorded: Iterable[dict[Split, dict[int, int]]]) -> dict[Split, Counter[int]]:
    """Labelled pixels of each split by class id."""
    pixels: dict[Split, Counter[int]] = {}
    for by_split in recorded:
        for split, counts in by_split.items():
            pixels.setdefault(split, Counter()).update(counts)
    return pixels


def _labelled_pixels(source: ChipSource, progress: Progress | None) -> dict[Split, Counter[int]]:
    """The same, counted in the labels."""
    pixels: dict[Split, Counter[int]] = {}
    done, total = 0, sum(len(refs) for refs in source.splits.values())
    for split, refs in source.splits.items():
        pixels[split] = Counter()
        for ref in refs:
            labels = source.read(ref).labels
            counts = np.bincount(labels[labels != IGNORE], minlength=len(source.classes))
            for entry, count in zip(source.classes, counts.tolist(), strict=True):
                pixels[split][entry.id] += count
            done += 1
            if progress is not None:
                progress(done, total)
    return pixels
