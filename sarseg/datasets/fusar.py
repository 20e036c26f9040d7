"""FUSAR-Map: GaoFen-3 tiles with land-cover labels, in the folder layout of its release.

Two releases exist, with different palettes. Labels are pictures, RGB or with a colour table; here
they become class ids in the order of the palette. The tiles are amplitude of a single
polarisation, HH or VV, without georeferencing; which of the two is not recorded, so the band is
called ``SAR``. There is no validation part: it is carved out of the training tiles
(``sarseg.datasets.division``), never out of the test tiles.
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
from sarseg.datasets.division import divided
from sarseg.datasets.manifest import SceneRecord
from sarseg.datasets.pairs import Layer, Pair, check_shapes, pair_by_name, some
from sarseg.datasets.raster import read_colours, read_measurements, single_band
from sarseg.datasets.sample import ChipData, ChipRef, Split
from sarseg.errors import DatasetError
from sarseg.filters.chain import NO_FILTERS, Filters
from sarseg.scenes.radiometry import to_intensity
from sarseg.wording import counted

DATA_VARIABLE = "SARSEG_DATA"
"""Environment variable: a folder that is, or holds, the published datasets."""

BAND = "SAR"

LAYERS = ("SAR", "LAB")
"""Folders of the images and of their labels."""

LAYOUT = """\
    FOLDER/
      SAR/
        train/   SAR images, 1024 x 1024 GeoTIFF, TIFF or PNG
        test/
      LAB/
        train/   labels of the same tiles: RGB, or with a colour table
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
    division: str

    @property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """None: the release does not record them."""
        return ()

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
            if any((place / layer).is_dir() for layer in LAYERS):
                return cls.open(release, place)
        looked_at = "\n".join(f"    {place}" for place in places)
        raise DatasetError(
            f"{release.title} was not found. Name its folder with --data or in {DATA_VARIABLE}. "
            f"Looked at:\n{looked_at}\nExpected layout:\n{LAYOUT}"
        )

    @classmethod
    def open(cls, release: FusarRelease, folder: Path) -> Self:
        """Open the release in ``folder``.

        Raises DatasetError where anything is missing, SAR images and labels do not pair up, or
        tiles have several sizes: the message lists all that is wrong.
        """
        train, train_faults = _pairs(folder, "train")
        test, test_faults = _pairs(folder, "test")
        shape, shape_faults = check_shapes(folder, [*train, *test])
        faults = [*train_faults, *test_faults, *shape_faults]
        if shape is None or faults:
            listed = "\n".join(f"    {fault}" for fault in faults)
            raise DatasetError(
                f"{release.title} in {folder} is not as it was released:\n{listed}\n"
                f"Expected layout:\n{LAYOUT}"
            )
        division = divided([_layerless(image, "") for image, _ in train])
        splits: dict[Split, Sequence[ChipRef]] = {
            "train": [_ref("train", train[index]) for index in division.train],
            "validation": [_ref("train", train[index]) for index in division.validation],
            "test": [_ref("test", pair) for pair in test],
        }
        found = {split: refs for split, refs in splits.items() if refs}
        return cls(release, shape.width, found, division.description)

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

    @property
    def remarks(self) -> tuple[str, ...]:
        """None: all that is odd is refused."""
        return ()

    def read(self, ref: ChipRef) -> ChipData:
        """Read one tile from disk.

        Raises DatasetError where its files cannot be used, as where a label has a colour that is
        not in the palette.
        """
        assert ref.labels is not None  # every tile of a release has labels
        measured, valid = read_measurements(ref.image)
        amplitude = single_band(measured)
        if amplitude is None:
            raise DatasetError(
                f"{ref.image} has {counted(len(measured), 'band')}; a SAR image of FUSAR-Map has "
                "one, or three equal ones."
            )
        intensity = np.where(valid, to_intensity(amplitude, ref.unit), np.float32(0))
        return ChipData(intensity, valid, self._labels(ref.labels))

    def digest(self) -> str:
        """SHA-256 over the names of the tiles of each split."""
        digest = hashlib.sha256(self.release.name.encode())
        for split, refs in self.splits.items():
            for ref in refs:
                digest.update(f"\n{split} {ref.name}".encode())
        return digest.hexdigest()

    def _labels(self, path: Path) -> NDArray[np.uint8]:
        """The colours of a label file as class indices (rows, cols)."""
        rgb = read_colours(path)
        colours = _packed(rgb)
        labels = np.full(colours.shape, len(self.classes), np.uint8)
        for index, entry in enumerate(self.classes):
            labels[colours == _packed(np.array(entry.colour, np.uint8))] = index
        unknown = labels == len(self.classes)
        if unknown.any():
            raise DatasetError(self._unknown_colours(path, rgb, unknown))
        return labels

    def _unknown_colours(
        self, path: Path, rgb: NDArray[np.uint8], unknown: NDArray[np.bool_]
    ) -> str:
        """A sentence about the colours (3, rows, cols) of the pixels that are ``unknown``."""
        colours, counts = np.unique(rgb[:, unknown].T, axis=0, return_counts=True)
        row, col = np.argwhere(unknown)[0]
        names = [",".join(map(str, colour)) for colour in colours[np.argsort(-counts)]]
        message = (
            f"{path} has {counted(len(names), 'colour')} in {counted(int(unknown.sum()), 'pixel')} "
            f"that the palette of {self.name} lacks: {some(names)}; the first pixel is "
            f"{','.join(map(str, rgb[:, row, col]))} at row {row}, column {col}."
        )
        for release in RELEASES.values():
            if {tuple(colour) for colour in colours.tolist()} <= {
                c.colour for c in release.classes
            }:
                message += f" They belong to {release.title}: use --dataset {release.name}."
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


def _pairs(folder: Path, part: str) -> tuple[Sequence[Pair], list[str]]:
    """SAR images of ``part`` with their labels, in the order of the images' names, and a line for
    each fault.

    They pair by name; by their order where the names have nothing in common.
    """
    places = {layer: folder / layer / part for layer in LAYERS}
    missing = [
        f"there is no folder {layer}/{part}" for layer in LAYERS if not places[layer].is_dir()
    ]
    layers = [Layer.of(folder, place, _SUFFIXES) for place in places.values() if place.is_dir()]
    told = [fault for layer in layers for fault in layer.faults()]
    if missing or not all(layer.pictures for layer in layers):
        return (), [*missing, *told]
    images, labels = (layer.pictures for layer in layers)
    pairing = pair_by_name(images, labels, _layerless)
    faults = pairing.faults(part)
    if not faults:
        return pairing.pairs, []
    if pairing.pairs or all(_LAYER_WORD.search(path.stem) for path in [*images, *labels]):
        return (), [*faults, *told]
    if len(images) != len(labels):
        return (), [f"{part}: {len(images)} SAR images, but {len(labels)} labels", *told]
    return list(zip(images, labels, strict=True)), []


def _ref(part: str, pair: Pair) -> ChipRef:
    image, label = pair
    return ChipRef(f"{part}/{image.name}", image, label, "amplitude")


def _layerless(path: Path, instead: str = "*") -> str:
    """The name without what differs between the layers: their word, and the file type."""
    return _LAYER_WORD.sub(instead, path.stem)


def _packed(rgb: NDArray[Any]) -> NDArray[np.uint32]:
    """Red, green and blue of the first axis in one number."""
    red, green, blue = rgb[:3].astype(np.uint32)
    packed: NDArray[np.uint32] = red << 16 | green << 8 | blue
    return packed
