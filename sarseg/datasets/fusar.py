"""FUSAR-Map: GaoFen-3 tiles with land-cover labels, in the folder layout of its release.

Two releases exist, with different palettes. Labels are RGB images; here they become class ids in
the order of the palette. The tiles are amplitude of a single polarisation, HH or VV, without
georeferencing; which of the two is not recorded, so the band is called ``SAR``.
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sarseg.cache import cache_folder
from sarseg.classes import LandCoverClass
from sarseg.datasets.raster import read_raster
from sarseg.datasets.sample import ChipData, ChipRef, Split
from sarseg.errors import DatasetError
from sarseg.filters.chain import NO_FILTERS, Filters
from sarseg.scenes.radiometry import to_intensity

DATA_VARIABLE = "SARSEG_DATA"
"""Environment variable: a folder that is, or holds, the published datasets."""

BAND = "SAR"

VALIDATION_SHARE = 0.1
"""Of the published training tiles; they are kept aside to choose on. The test tiles never are."""

LAYOUT = """\
    FOLDER/
      SAR/
        train/   SAR images, 1024 x 1024 GeoTIFF, TIFF or PNG
        test/
      LAB/
        train/   RGB labels of the same tiles, in the same order of names
        test/"""

_SUFFIXES = {".tif", ".tiff", ".png"}
# The word may stand anywhere in a name, but FUSAR itself ends in one of them.
_LAYER_WORD = re.compile(r"(?<![a-z])(optical|sar|label)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class FusarRelease:
    """One release: its legend (the colours are the palette of its labels).

    ``published_weights`` are the weights of the classes in the cross-entropy of CWSAM (arXiv
    2401.02326); ``folders`` are names under which the data are looked for.
    """

    name: str
    title: str
    folders: tuple[str, ...]
    classes: tuple[LandCoverClass, ...]
    published_weights: tuple[float, ...]


def _legend(*entries: tuple[str, tuple[int, int, int]]) -> tuple[LandCoverClass, ...]:
    return tuple(
        LandCoverClass(id=class_id, name=name, colour=colour)
        for class_id, (name, colour) in enumerate(entries)
    )


FUSAR_1 = FusarRelease(
    name="fusar",
    title="FUSAR-Map 1.0",
    folders=("fusar", "FUSAR-Map"),
    classes=_legend(
        ("building", (255, 0, 0)),
        ("vegetation", (0, 255, 0)),
        ("water", (0, 0, 255)),
        ("road", (255, 255, 0)),
        ("background", (0, 0, 0)),
    ),
    published_weights=(1.5, 1.0, 0.5, 1.9, 0.1),
)

FUSAR_2 = FusarRelease(
    name="fusar2",
    title="FUSAR-Map 2.0",
    folders=("fusar2", "FUSAR-Map2.0"),
    classes=_legend(
        ("water", (0, 0, 255)),
        ("woodland", (0, 139, 0)),
        ("vegetation", (0, 255, 0)),
        ("bare soil", (139, 0, 0)),
        ("industry", (255, 0, 0)),
        ("residence", (205, 173, 0)),
        ("road", (83, 134, 139)),
        ("paddy", (0, 139, 139)),
        ("planting", (139, 105, 20)),
        ("human built", (189, 183, 107)),
    ),
    published_weights=(0.4, 1.6, 0.4, 1.6, 1.0, 0.5, 1.5, 1.7, 1.4, 0.9),
)

RELEASES = {release.name: release for release in (FUSAR_1, FUSAR_2)}
"""Releases by the name that ``--dataset`` takes."""


@dataclass(frozen=True)
class FusarSource:
    """One release on disk. Open it with ``FusarSource.find`` or ``FusarSource.open``."""

    release: FusarRelease
    tile_size: int
    splits: Mapping[Split, Sequence[ChipRef]]

    @property
    def filters(self) -> Filters:
        """None: the tiles come as they are."""
        return NO_FILTERS

    @property
    def pixel_size(self) -> float | None:
        """Not known: the tiles have no georeferencing."""
        return None

    @classmethod
    def find(cls, release: FusarRelease, data: Path | None = None) -> Self:
        """Open the release in ``data``, or else where ``SARSEG_DATA`` says, or in the cache.

        Each may be the release's folder itself or hold it. Raises DatasetError where it is in
        none of these places: the message lists them and shows the layout.
        """
        places = _places(release, data)
        for place in places:
            if (place / "SAR").is_dir() or (place / "LAB").is_dir():
                return cls.open(release, place)
        looked_at = "\n".join(f"    {place}" for place in places)
        raise DatasetError(
            f"{release.title} was not found. Name its folder with --data or in {DATA_VARIABLE}. "
            f"Looked at:\n{looked_at}\nExpected layout:\n{LAYOUT}"
        )

    @classmethod
    def open(cls, release: FusarRelease, folder: Path) -> Self:
        """Open the release in ``folder``.

        Raises DatasetError where a folder is missing or SAR images and labels do not pair up.
        """
        published = _pairs(folder, "train")
        if not published:
            raise DatasetError(f"{folder / 'SAR' / 'train'} holds no TIFF or PNG image.")
        # Neighbours in the list are neighbours on the ground: a block at its end shares fewer
        # borders with the rest than tiles drawn at random would.
        kept = max(1, len(published) - max(1, round(len(published) * VALIDATION_SHARE)))
        splits: dict[Split, Sequence[ChipRef]] = {
            "train": published[:kept],
            "validation": published[kept:],
            "test": _pairs(folder, "test"),
        }
        size = read_raster(published[0].image).shape[-1]
        return cls(release, size, {split: refs for split, refs in splits.items() if refs})

    @property
    def name(self) -> str:
        """The release's title."""
        return self.release.title

    @property
    def classes(self) -> tuple[LandCoverClass, ...]:
        """The release's legend."""
        return self.release.classes

    @property
    def bands(self) -> tuple[str, ...]:
        """One band, ``SAR``."""
        return (BAND,)

    def read(self, ref: ChipRef) -> ChipData:
        """Read one tile from disk.

        Raises DatasetError where its files cannot be used, as where a label has a colour that is
        not in the palette.
        """
        if ref.labels is None:
            raise DatasetError(f"{ref.image} has no labels.")
        image, label = read_raster(ref.image), read_raster(ref.labels)
        for path, values in ((ref.image, image), (ref.labels, label)):
            if values.shape[1:] != (self.tile_size, self.tile_size):
                raise DatasetError(
                    f"{path} is {values.shape[1]} x {values.shape[2]} pixels, but the first tile "
                    f"is {self.tile_size} x {self.tile_size}; all must have one size."
                )
        intensity = to_intensity(_amplitude(image, ref.image), ref.unit)
        valid = np.ones(intensity.shape[1:], np.bool_)
        return ChipData(intensity, valid, self._labels(label, ref.labels))

    def digest(self) -> str:
        """SHA-256 over the names of the tiles of each split."""
        digest = hashlib.sha256(self.release.name.encode())
        for split, refs in self.splits.items():
            for ref in refs:
                digest.update(f"\n{split} {ref.name}".encode())
        return digest.hexdigest()

    def _labels(self, rgb: NDArray[Any], path: Path) -> NDArray[np.uint8]:
        """RGB (3, rows, cols) as class indices."""
        if rgb.dtype != np.uint8 or rgb.shape[0] not in (3, 4):
            raise DatasetError(
                f"{path} has {rgb.shape[0]} bands of {rgb.dtype}; labels are 8-bit RGB images."
            )
        colours = _packed(rgb)
        labels = np.full(colours.shape, len(self.classes), np.uint8)
        for index, entry in enumerate(self.classes):
            labels[colours == _packed(np.array(entry.colour, np.uint8))] = index
        unknown = np.argwhere(labels == len(self.classes))
        if unknown.size:
            row, col = unknown[0]
            raise DatasetError(self._unknown_colour(path, row, col, tuple(rgb[:3, row, col])))
        return labels

    def _unknown_colour(self, path: Path, row: int, col: int, colour: tuple[int, ...]) -> str:
        red, green, blue = colour
        message = (
            f"{path} has the colour {red},{green},{blue} at row {row}, column {col}, which is "
            f"not in the palette of {self.name}."
        )
        for release in RELEASES.values():
            if colour in [entry.colour for entry in release.classes]:
                message += f" It belongs to {release.title}: use --dataset {release.name}."
        return message


def _places(release: FusarRelease, data: Path | None) -> list[Path]:
    """Folders in which the release may lie, best first."""
    if data is not None:
        # What the user names is taken or refused; other data in its stead would mislead.
        return [data, *(data / folder for folder in release.folders)]
    places = []
    if named := os.environ.get(DATA_VARIABLE):
        root = Path(named).expanduser()
        places += [root, *(root / folder for folder in release.folders)]
    return [*places, cache_folder() / release.name]


def _pairs(folder: Path, part: str) -> list[ChipRef]:
    """SAR images of ``part`` with their labels, in the order of the images' names."""
    images, labels = _images(folder / "SAR" / part), _images(folder / "LAB" / part)
    image_of = {_layerless(path): path for path in images}
    label_of = {_layerless(path): path for path in labels}
    alone = {
        key: path
        for key, path in {**image_of, **label_of}.items()
        if key not in image_of or key not in label_of
    }
    if not alone and len(images) == len(labels) == len(image_of):
        pairs = [(path, label_of[key]) for key, path in image_of.items()]
    elif alone and all(_LAYER_WORD.search(path.stem) for path in [*images, *labels]):
        raise DatasetError(
            f"SAR images and labels in {folder} do not pair up in {part}: {min(alone.values())} "
            f"has no partner of the same name ({len(images)} images, {len(labels)} labels)."
        )
    elif len(images) == len(labels):
        pairs = list(zip(images, labels, strict=True))
    else:
        raise DatasetError(
            f"{folder / 'SAR' / part} holds {len(images)} images, but {folder / 'LAB' / part} "
            f"holds {len(labels)} labels; each image needs one."
        )
    return [ChipRef(f"{part}/{image.name}", image, label, "amplitude") for image, label in pairs]


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}. Expected layout:\n{LAYOUT}")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)


def _layerless(path: Path) -> str:
    """The name without what differs between the layers: their word, and the file type."""
    return _LAYER_WORD.sub("*", path.stem)


def _amplitude(values: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """The one band of a SAR image (1, rows, cols), which may be stored as three equal ones."""
    if values.shape[0] not in (1, 3, 4) or any((b != values[0]).any() for b in values[1:3]):
        raise DatasetError(
            f"{path} has {values.shape[0]} bands; a SAR image of FUSAR-Map has one, or three "
            "equal ones."
        )
    return values[:1].astype(np.float32)


def _packed(rgb: NDArray[Any]) -> NDArray[np.uint32]:
    """Red, green and blue of the first axis in one number."""
    red, green, blue = rgb[:3].astype(np.uint32)
    packed: NDArray[np.uint32] = red << 16 | green << 8 | blue
    return packed
