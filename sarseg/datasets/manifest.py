"""The manifest of a folder of chips, ``chips.json``: what is in it, and where it came from."""

import json
from collections import Counter
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from sarseg.classes import LandCoverClass
from sarseg.datasets.sample import Split
from sarseg.errors import DatasetError
from sarseg.filters.chain import NO_FILTERS, Filters
from sarseg.scenes.unit import Unit

MANIFEST_NAME = "chips.json"
FORMAT: Final = "sarseg chips"


def _inside_the_folder(path: str) -> str:
    """A manifest from elsewhere must not make sarseg read files outside its own folder."""
    if (
        PurePosixPath(path).is_absolute()
        or PureWindowsPath(path).anchor
        or ".." in PureWindowsPath(path).parts
    ):
        raise ValueError(f"the path {path!r} leads out of the dataset's folder")
    return path


InnerPath = Annotated[str, Field(min_length=1), AfterValidator(_inside_the_folder)]
"""A path relative to the manifest's folder, with ``/`` between its parts."""

PixelCounts = dict[int, NonNegativeInt]
"""Class id -> pixels."""

Share = Annotated[float, Field(ge=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SceneRecord(_Record):
    """A scene that chips were cut from: its files as the user named them, rows and columns.

    ``pixel_size`` is the side of a pixel on the ground in metres, where that is known.
    """

    name: str
    files: tuple[str, ...] = Field(min_length=1)
    height: PositiveInt
    width: PositiveInt
    crs: str | None
    pixel_size: PositiveFloat | None = None


class LabelRecord(_Record):
    """Where labels came from: a file, and for polygons the attribute, where one was named; the
    table that said what its values mean; the values that were told to mean unlabelled."""

    file: str
    attribute: str | None = None
    classes: str | None = None
    ignore: tuple[int | str, ...] = ()


class DropRules(_Record):
    """Which chips are left out: those with a smaller share of valid pixels than ``min_valid``, or
    with none, and, where there are labels, those with a smaller share of labelled pixels than
    ``min_labelled`` in every split. Shares are of all pixels of a chip.
    """

    min_valid: Share = 0.0
    min_labelled: Share = 0.0


KEEP_VALID = DropRules()
"""Leave out chips without a valid pixel alone."""


class ChipWindow(_Record):
    """The part of the scene that a chip shows.

    Smaller than the chip where the scene is: the rest of the chip is nodata, below and to the
    right.
    """

    row: NonNegativeInt
    col: NonNegativeInt
    height: PositiveInt
    width: PositiveInt


class ChipRecord(_Record):
    """One chip in one split.

    ``pixels`` counts its labelled pixels by class id; chips that overlap count the same pixel of
    the scene more than once.
    """

    image: InnerPath
    label: InnerPath | None
    split: Split
    scene: str
    window: ChipWindow
    pixels: PixelCounts

    @model_validator(mode="after")
    def _labelled_where_split(self) -> Self:
        if (self.label is None) != (self.split == "unlabelled"):
            raise ValueError(f"split is {self.split!r} but label is {self.label!r}")
        return self


class Manifest(_Record):
    """What a folder of chips holds.

    ``unit`` is what the numbers of the images are; ``filters`` what they have gone through;
    ``size`` the rows and columns of every chip;
    ``overlap`` the pixels that neighbours share; ``labels`` where these came from, None where there
    are none, or it is not recorded; ``division`` is a phrase that says how pixels were divided into
    splits; ``pixels`` counts, for each split, the labelled pixels by class id that chips show, each
    pixel of a scene once.
    """

    format: Literal["sarseg chips"] = FORMAT
    version: Literal[1] = 1
    classes: tuple[LandCoverClass, ...]
    bands: tuple[str, ...] = Field(min_length=1)
    unit: Unit
    filters: Filters = NO_FILTERS
    size: PositiveInt
    overlap: NonNegativeInt
    labels: LabelRecord | None = None
    division: str = ""
    dropped: DropRules = KEEP_VALID
    scenes: tuple[SceneRecord, ...]
    pixels: dict[Split, PixelCounts]
    chips: tuple[ChipRecord, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [entry.id for entry in self.classes]
        if len(set(ids)) < len(ids):
            raise ValueError("two classes have the same id")
        scenes = {scene.name for scene in self.scenes}
        places = Counter((chip.image, chip.split) for chip in self.chips)
        for chip in self.chips:
            if chip.scene not in scenes:
                raise ValueError(f"the scene {chip.scene!r} of {chip.image} is not in the list")
            if not chip.pixels.keys() <= set(ids):
                raise ValueError(f"{chip.image} counts pixels of a class that is not in the list")
            if places[chip.image, chip.split] > 1:
                raise ValueError(f"{chip.image} is listed twice in the split {chip.split!r}")
        return self

    def write(self, folder: Path) -> None:
        """Write the manifest into ``folder``."""
        text = self.model_dump_json(indent=1)
        (folder / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of ``folder``. Raises DatasetError where it is missing or broken."""
    path = folder / MANIFEST_NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise DatasetError(
            f"{path} is not a usable list of chips: {_first_fault(error)}. "
            "Make the chips again with sarseg tile."
        ) from error


def is_chip_folder(folder: Path) -> bool:
    """True where ``folder`` holds a manifest of sarseg, of whatever version."""
    try:
        content = json.loads((folder / MANIFEST_NAME).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    reason = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {reason}" if place else reason
