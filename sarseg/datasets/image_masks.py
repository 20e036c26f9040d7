"""A folder of images and a folder of masks beside it: one class against the background.

    FOLDER/                  or    FOLDER/
      images/                        train/images/  train/masks/
      masks/                         validation/images/  validation/masks/
      classes.yaml (optional)        test/images/  test/masks/

The folders may have other usual names (``IMAGE_FOLDERS``, ``MASK_FOLDERS``, ``PARTS``). An image
and its mask have the same name but for the file type and words such as ``_mask`` at its end.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import LandCoverClass, unnamed_class
from sarseg.datasets.division import divided
from sarseg.datasets.foreground import GREY
from sarseg.datasets.image_kind import image_kind
from sarseg.datasets.manifest import SceneRecord
from sarseg.datasets.pairs import Layer, Pair, check_shapes, pair_by_name
from sarseg.datasets.raster import read_measurements, read_raster, single_band
from sarseg.datasets.sample import ChipData, ChipRef, Split
from sarseg.errors import DatasetError, InputError
from sarseg.filters.chain import NO_FILTERS, Filters
from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.labels import read_class_names
from sarseg.scenes.radiometry import of_backscatter, to_intensity
from sarseg.wording import counted

IMAGE_FOLDERS = ("images", "image", "imgs", "img")
MASK_FOLDERS = ("masks", "mask", "labels", "label")
PARTS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}
CLASSES_NAME = "classes.yaml"

FOREGROUND: Final = 1
"""Value of the foreground in masks of 0 and 1, and its index and id here."""

FULL: Final = 255
"""Value of the foreground in masks that are made to be looked at."""

_SUFFIXES = {".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".img"}
_LAYER_WORD = re.compile(r"[\W_]+(masks?|labels?|gt|images?|imgs?)$", re.IGNORECASE)


@dataclass(frozen=True)
class ImageMaskFolder:
    """Images with masks of one class. Open it with ``ImageMaskFolder.open``.

    ``remarks`` are sentences about what a person should know of how the files were read.
    """

    name: str
    classes: tuple[LandCoverClass, ...]
    bands: tuple[str, ...]
    tile_size: int
    splits: Mapping[Split, Sequence[ChipRef]]
    division: str
    remarks: tuple[str, ...]
    _digest: str

    @property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """None: images do not tell."""
        return ()

    @property
    def filters(self) -> Filters:
        """None: the images come as they are."""
        return NO_FILTERS

    @property
    def pixel_size(self) -> float | None:
        """Not known."""
        return None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the images and masks in ``folder``.

        Every mask is read: they hold 0 and 1, or 0 and 255, and it is the same in all of them.
        Bands and unit of the images are those of ``image_kind``.

        Raises DatasetError where files are missing, do not pair up, have several sizes or bands,
        where masks hold anything else, or no image is left: the message lists all that is wrong.
        """
        parts, faults = _parts(folder)
        every = [pair for pairs in parts.values() for pair in pairs]
        shape, shape_faults = check_shapes(folder, every)
        faults += shape_faults
        if shape is None or faults:
            listed = "\n".join(f"    {fault}" for fault in faults)
            raise DatasetError(f"The images and masks in {folder} cannot be used:\n{listed}")
        images = [image for image, _ in every]
        kind = image_kind(images)
        refs: Mapping[Split, Sequence[ChipRef]] = {
            split: [
                ChipRef(image.relative_to(folder).as_posix(), image, mask, kind.unit)
                for image, mask in pairs
            ]
            for split, pairs in parts.items()
        }
        refs, division = _with_validation(refs)
        foreground, counts = _foreground(mask for _, mask in every)
        digest = hashlib.sha256()
        remarks = [] if foreground == FOREGROUND else [_FULL_MASKS]
        for split, of_split in refs.items():
            for ref in of_split:
                digest.update(f"\n{split} {ref.name} {counts[ref.labels]}".encode())
            if not any(counts[ref.labels] for ref in of_split):
                remarks.append(f"No mask of the {split} part has a pixel of the foreground.")
        return cls(
            folder.resolve().name,
            _classes(folder / CLASSES_NAME),
            kind.bands,
            shape.width,
            refs,
            division,
            tuple(remarks),
            digest.hexdigest(),
        )

    def read(self, ref: ChipRef) -> ChipData:
        """Read one image from disk. Raises DatasetError where its files cannot be used."""
        assert ref.labels is not None  # every image has a mask
        values, valid = read_measurements(ref.image)
        if len(self.bands) == 1:
            band = single_band(values)
            if band is None:
                raise DatasetError(
                    f"{ref.image} has {len(values)} bands that differ; the bands of other images "
                    f"of {self.name} are all equal, so one is expected."
                )
            values = band
        auxiliary = [is_auxiliary(band) for band in self.bands]
        linear = of_backscatter(lambda bands: to_intensity(bands, ref.unit), values, auxiliary)
        intensity = np.where(valid, linear, np.float32(0))
        return ChipData(intensity, valid, (_mask(ref.labels) != 0).astype(np.uint8))

    def digest(self) -> str:
        """SHA-256 over the images of each split and the foreground's pixels in each."""
        return self._digest


_FULL_MASKS = "The masks hold 0 and 255, which are taken for 0 and 1."


def is_image_mask_folder(folder: Path) -> bool:
    """True where ``folder``, or a part of it such as ``train``, has folders of images and masks."""
    return bool(_places(folder))


def _places(folder: Path) -> dict[Split, tuple[Path, Path]]:
    """Folders of images and of masks of each part; all is ``train`` where there are no parts."""
    if here := _layers(folder):
        return {"train": here}
    found = {split: _subfolder(folder, names) for split, names in PARTS.items()}
    places = {split: _layers(part) for split, part in found.items() if part is not None}
    return {split: layers for split, layers in places.items() if layers is not None}


def _layers(folder: Path) -> tuple[Path, Path] | None:
    images, masks = _subfolder(folder, IMAGE_FOLDERS), _subfolder(folder, MASK_FOLDERS)
    return (images, masks) if images and masks else None


def _subfolder(folder: Path, names: Sequence[str]) -> Path | None:
    """The folder in ``folder`` with the first of ``names`` that there is, in any case."""
    if not folder.is_dir():
        return None
    inside = {entry.name.casefold(): entry for entry in sorted(folder.iterdir()) if entry.is_dir()}
    return next((inside[name] for name in names if name in inside), None)


def _parts(folder: Path) -> tuple[dict[Split, Sequence[Pair]], list[str]]:
    """Images and masks of each part, and a line for each fault."""
    places = _places(folder)
    faults = [] if "train" in places else ["there is no train part with images and masks"]
    for split, names in PARTS.items():
        part = _subfolder(folder, names)
        if part is not None and split not in places and not _layers(folder):
            faults.append(f"{part.name} lacks a folder images, or masks, or both")
    parts: dict[Split, Sequence[Pair]] = {}
    for split, folders in places.items():
        images, masks = (Layer.of(folder, layer, _SUFFIXES) for layer in folders)
        pairing = pair_by_name(images.pictures, masks.pictures, _key)
        lone = pairing.faults(f"{images.place} and {masks.place}")
        if lone or not pairing.pairs:
            faults += [*lone, *images.faults(), *masks.faults()]
        parts[split] = pairing.pairs
    return parts, faults


def _with_validation(
    refs: Mapping[Split, Sequence[ChipRef]],
) -> tuple[Mapping[Split, Sequence[ChipRef]], str]:
    """``refs`` with a validation part, carved out of the training part where there is none, and how
    the parts came about."""
    if "validation" in refs:
        return refs, "as the folders say"
    given = refs["train"]
    division = divided([_key(ref.image) for ref in given])
    carved: dict[Split, Sequence[ChipRef]] = {
        **refs,
        "train": [given[index] for index in division.train],
        "validation": [given[index] for index in division.validation],
    }
    return {split: of_split for split, of_split in carved.items() if of_split}, division.description


def _key(path: Path) -> str:
    """The name without the file type and the word for the layer at its end."""
    return _LAYER_WORD.sub("", path.stem)


def _foreground(masks: Iterable[Path]) -> tuple[int, dict[Path | None, int]]:
    """The value that means foreground in all masks, and how many pixels of each have it."""
    first: dict[int, Path] = {}
    counts: dict[Path | None, int] = {}
    for path in masks:
        mask = _mask(path)
        counts[path] = int(np.count_nonzero(mask))
        for value in (FOREGROUND, FULL):
            if value not in first and (mask == value).any():
                first[value] = path
    if len(first) > 1:
        raise DatasetError(
            f"{first[FOREGROUND]} holds {FOREGROUND} and {first[FULL]} holds {FULL}: masks hold 0 "
            "and 1, or 0 and 255, the same in all of them. For pixels to be left out, make chips "
            "with sarseg tile."
        )
    return next(iter(first), FOREGROUND), counts


def _mask(path: Path) -> NDArray[Any]:
    """The values of a mask (rows, cols), as they are. Raises DatasetError for any but 0, 1, 255."""
    values = read_raster(path)
    picture = values[:3] if len(values) == 4 else values[:1] if len(values) == 2 else values
    mask = single_band(picture)  # what was left out is alpha
    if mask is None:
        raise DatasetError(
            f"{path} has {counted(len(values), 'band')}; a mask has one, or three equal ones."
        )
    unknown = np.argwhere(~np.isin(mask[0], (0, FOREGROUND, FULL)))
    if unknown.size:
        row, col = unknown[0]
        advice = (
            " JPEG does not keep values: write masks as PNG or TIFF."
            if path.suffix.lower() in (".jpg", ".jpeg")
            else " To choose one of several classes, make chips with sarseg tile."
        )
        raise DatasetError(
            f"{path} holds {mask[0, row, col]} at row {row}, column {col} "
            f"({counted(len(unknown), 'pixel')} like it); masks hold 0 and 1, or 0 and 255.{advice}"
        )
    found: NDArray[Any] = mask[0]
    return found


def _classes(path: Path) -> tuple[LandCoverClass, ...]:
    """Background and foreground, as ``path`` names them where there is such a file."""
    background = LandCoverClass(id=0, name="background", colour=GREY)
    foreground = LandCoverClass(
        id=FOREGROUND, name="foreground", colour=unnamed_class(FOREGROUND).colour
    )
    if not path.exists():
        return background, foreground
    try:
        named = {entry.id: entry for entry in read_class_names(path)}
    except InputError as error:
        raise DatasetError(str(error)) from error
    if extra := named.keys() - {0, FOREGROUND}:
        raise DatasetError(f"{path} names the class {min(extra)}; masks hold 0 and 1.")
    return named.get(0, background), named.get(FOREGROUND, foreground)
