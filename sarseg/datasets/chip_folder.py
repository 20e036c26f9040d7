"""A folder of chips written by ``sarseg tile``, or a folder of such folders, as training data."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import LandCoverClass
from sarseg.datasets.manifest import (
    MANIFEST_NAME,
    Manifest,
    SceneRecord,
    is_chip_folder,
    read_manifest,
)
from sarseg.datasets.raster import read_raster
from sarseg.datasets.sample import IGNORE, ChipData, ChipRef, Split
from sarseg.errors import DatasetError
from sarseg.filters.chain import Filters
from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.radiometry import of_backscatter, to_intensity


@dataclass(frozen=True)
class ChipFolder:
    """Chips of one or several scenes. Open it with ``ChipFolder.open``."""

    name: str
    classes: tuple[LandCoverClass, ...]
    bands: tuple[str, ...]
    tile_size: int
    filters: Filters
    pixel_size: float | None
    scenes: tuple[SceneRecord, ...]
    division: str
    splits: Mapping[Split, Sequence[ChipRef]]
    _digest: str

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the chips in ``folder``, or those of all its direct subfolders together.

        Raises DatasetError where there are none, where files are missing, or where the subfolders
        differ in classes, bands or size.
        """
        manifests = read_manifests(folder)
        first_part, first = next(iter(manifests.items()))
        splits: dict[Split, list[ChipRef]] = {}
        digest = hashlib.sha256()
        for part, manifest in manifests.items():
            _check_agreement(folder, first_part, first, part, manifest)
            for chip in manifest.chips:
                image, labels = folder / part / chip.image, None
                if chip.label is not None:
                    labels = folder / part / chip.label
                ref = ChipRef(
                    (Path(part) / chip.image).as_posix(),
                    image,
                    labels,
                    manifest.unit,
                    scene=(Path(part) / chip.scene).as_posix(),
                    row=chip.window.row,
                    col=chip.window.col,
                )
                splits.setdefault(chip.split, []).append(ref)
                digest.update(f"{part} {chip.model_dump_json()}\n".encode())
        _check_files([ref for refs in splits.values() for ref in refs])
        name = folder.resolve().name
        return cls(
            name,
            first.classes,
            first.bands,
            first.size,
            _filters(manifests.values()),
            _pixel_size(manifests.values()),
            tuple(scene for manifest in manifests.values() for scene in manifest.scenes),
            _division(manifests),
            splits,
            digest.hexdigest(),
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """None: what is odd was told when the chips were cut."""
        return ()

    def read(self, ref: ChipRef) -> ChipData:
        """Read one chip from disk. Raises DatasetError where its files cannot be used."""
        values = read_raster(ref.image).astype(np.float32, copy=False)
        expected = (len(self.bands), self.tile_size, self.tile_size)
        _check_shape(ref.image, values.shape, expected)
        valid: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=0))
        auxiliary = [is_auxiliary(band) for band in self.bands]
        linear = of_backscatter(lambda bands: to_intensity(bands, ref.unit), values, auxiliary)
        intensity = np.where(valid, linear, np.float32(0))
        if ref.labels is None:
            return ChipData(intensity, valid, np.full(valid.shape, IGNORE, np.uint8))
        ids = read_raster(ref.labels)
        _check_shape(ref.labels, ids.shape, (1, *expected[1:]))
        return ChipData(intensity, valid, self._indices(ids[0], ref.labels))

    def digest(self) -> str:
        """SHA-256 over the chips, their splits and the labelled pixels of each."""
        return self._digest

    def _indices(self, ids: NDArray[Any], path: Path) -> NDArray[np.uint8]:
        """Class ids as indices into ``classes``."""
        if ids.dtype != np.uint8:
            raise DatasetError(f"{path} holds {ids.dtype} values; labels of chips are uint8.")
        index_of = np.full(256, IGNORE, np.uint8)
        known = np.zeros(256, np.bool_)
        known[IGNORE] = True
        for index, entry in enumerate(self.classes):
            index_of[entry.id] = index
            known[entry.id] = True
        unknown = np.flatnonzero(~known & (np.bincount(ids.ravel(), minlength=256) > 0))
        if unknown.size:
            raise DatasetError(
                f"{path} holds the class {unknown[0]}, which is not in {MANIFEST_NAME}."
            )
        indices: NDArray[np.uint8] = index_of[ids]
        return indices


def chip_folders(folder: Path) -> list[str]:
    """Folders of chips, relative to ``folder``: itself, or its direct subfolders."""
    if (folder / MANIFEST_NAME).exists():
        return ["."]
    return sorted(entry.name for entry in folder.iterdir() if is_chip_folder(entry))


def read_manifests(folder: Path) -> dict[str, Manifest]:
    """The manifests of all ``chip_folders`` of ``folder``, by their names.

    Raises DatasetError where there are none, or one is broken.
    """
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}.")
    parts = chip_folders(folder)
    if not parts:
        raise DatasetError(
            f"{folder} holds no {MANIFEST_NAME}, and neither do its subfolders. "
            "Make chips with: sarseg tile SCENE --labels LABELS -o FOLDER"
        )
    return {part: read_manifest(folder / part) for part in parts}


def _check_agreement(
    folder: Path, first_part: str, first: Manifest, part: str, manifest: Manifest
) -> None:
    for what, one, other in (
        ("classes", first.classes, manifest.classes),
        ("bands", first.bands, manifest.bands),
        ("chip sizes", first.size, manifest.size),
        ("filters", first.filters.without_looks(), manifest.filters.without_looks()),
    ):
        if one != other:
            raise DatasetError(
                f"{folder / first_part} and {folder / part} have different {what}: "
                f"{_brief(one)} and {_brief(other)}. Tile all scenes with the same "
                "--classes, --bands, --size and filters to train on them together."
            )


def _filters(manifests: Iterable[Manifest]) -> Filters:
    """The filters of all chips; of looks, which are each scene's own, the median."""
    every = [manifest.filters for manifest in manifests]
    looks = [each.despeckle.looks for each in every if each.despeckle and each.despeckle.looks]
    return every[0].with_looks(median(looks)) if looks else every[0]


def _pixel_size(manifests: Iterable[Manifest]) -> float | None:
    known = [
        scene.pixel_size
        for manifest in manifests
        for scene in manifest.scenes
        if scene.pixel_size is not None
    ]
    return median(known) if known else None


def _division(manifests: Mapping[str, Manifest]) -> str:
    """How pixels were divided, told apart by subfolder where that differs."""
    parts_by_phrase: dict[str, list[str]] = {}
    for part, manifest in manifests.items():
        parts_by_phrase.setdefault(manifest.division, []).append(part)
    if len(parts_by_phrase) == 1:
        return next(iter(parts_by_phrase))
    return "; ".join(
        f"{', '.join(parts)}: {phrase or 'not recorded'}"
        for phrase, parts in parts_by_phrase.items()
    )


def _brief(value: object) -> str:
    if isinstance(value, Filters):
        return value.model_dump_json(exclude_none=True)
    if not isinstance(value, tuple):
        return str(value)
    names = (f"{v.id} {v.name}" if isinstance(v, LandCoverClass) else str(v) for v in value)
    return ", ".join(names) or "none"


def _check_files(refs: Sequence[ChipRef]) -> None:
    """Missing files show here, and not in the middle of training."""
    paths = {path for ref in refs for path in (ref.image, ref.labels) if path is not None}
    missing = sorted(path for path in paths if not path.is_file())
    if missing:
        raise DatasetError(
            f"{len(missing)} of the {len(paths)} files that {MANIFEST_NAME} lists are missing, "
            f"the first is {missing[0]}. Make the chips again with sarseg tile."
        )


def _check_shape(path: Path, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise DatasetError(
            f"{path} is {found[0]} bands of {found[1]} x {found[2]} pixels; "
            f"{MANIFEST_NAME} says {expected[0]} of {expected[1]} x {expected[2]}."
        )
