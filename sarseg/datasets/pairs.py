"""Image files and label files of the same tiles, and a list of what is wrong with them."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sarseg.datasets.raster import Shape, read_shape
from sarseg.errors import DatasetError
from sarseg.wording import counted

_NAMED = 10
"""So many names are listed of each fault."""

_SIDECARS = {".xml", ".ovr", ".tfw", ".pgw", ".jgw", ".wld", ".prj"}

Pair = tuple[Path, Path]
"""The image and the labels of one tile."""


@dataclass(frozen=True)
class Pairing:
    """Tiles by the names of their files; what is left over of each kind, and what is there twice.

    ``pairs`` are in the order of the images' names.
    """

    pairs: tuple[Pair, ...]
    lone_images: tuple[Path, ...]
    lone_labels: tuple[Path, ...]
    doubled: tuple[Path, ...]

    def faults(self, part: str) -> list[str]:
        """A line for each kind of file that has no partner in ``part`` of a dataset."""
        of_kinds = (
            ("without labels of the same name", self.lone_images, "image"),
            ("without an image of the same name", self.lone_labels, "label"),
            ("with the same name as another", self.doubled, "file"),
        )
        return [
            f"{part}: {counted(len(paths), kind)} {what}: {some(path.name for path in paths)}"
            for what, paths, kind in of_kinds
            if paths
        ]


def pair_by_name(
    images: Sequence[Path], labels: Sequence[Path], key: Callable[[Path], str]
) -> Pairing:
    """Pair the files for which ``key`` is the same."""
    image_of, label_of = _by_key(images, key), _by_key(labels, key)
    shared = image_of.keys() & label_of.keys()
    return Pairing(
        pairs=tuple((image_of[tile][0], label_of[tile][0]) for tile in image_of if tile in shared),
        lone_images=tuple(paths[0] for tile, paths in image_of.items() if tile not in shared),
        lone_labels=tuple(paths[0] for tile, paths in label_of.items() if tile not in shared),
        doubled=tuple(
            path for paths in (*image_of.values(), *label_of.values()) for path in paths[1:]
        ),
    )


@dataclass(frozen=True)
class Layer:
    """Files of one folder, by name: pictures, and others that nothing here reads.

    Hidden files, and those that stand beside a raster and tell of it, are left out.
    """

    place: str
    pictures: tuple[Path, ...]
    unread: tuple[Path, ...]

    @classmethod
    def of(cls, folder: Path, layer: Path, suffixes: Collection[str]) -> Self:
        """The files of ``layer``, a folder in ``folder``; pictures have one of ``suffixes``."""
        files = [
            path
            for path in sorted(layer.iterdir())
            if path.is_file()
            and not path.name.startswith(".")
            and path.suffix.lower() not in _SIDECARS
        ]
        return cls(
            layer.relative_to(folder).as_posix(),
            tuple(path for path in files if path.suffix.lower() in suffixes),
            tuple(path for path in files if path.suffix.lower() not in suffixes),
        )

    def faults(self) -> list[str]:
        """Lines about an empty folder, and about files that may be meant and cannot be read."""
        lines = [] if self.pictures else [f"{self.place} holds no image"]
        if self.unread:
            files = f"{counted(len(self.unread), 'file')} of a type that is not read here"
            lines.append(f"{self.place} holds {files}: {some(path.name for path in self.unread)}")
        return lines


def check_shapes(folder: Path, pairs: Iterable[Pair]) -> tuple[Shape | None, list[str]]:
    """The shape of the images that most have, None without any, and a line for each fault.

    Images must be squares of one size, labels as large as their image. Paths are told relative to
    ``folder``. Only the heads of the files are read.
    """
    faults: list[str] = []
    shapes: dict[Path, Shape] = {}

    def head(path: Path) -> Shape | None:
        try:
            return read_shape(path)
        except DatasetError as error:
            faults.append(str(error))
            return None

    other_labels: list[str] = []
    for image, label in pairs:
        of_image, of_label = head(image), head(label)
        if of_image is not None:
            shapes[image] = of_image
        if of_image and of_label and of_image.extent != of_label.extent:
            other_labels.append(
                f"{label.relative_to(folder)} is {of_label.extent}, but its image {image.name} "
                f"is {of_image.extent}"
            )
    faults = _shortened(faults) + _shortened(other_labels)
    if not shapes:
        return None, faults
    every = list(shapes.values())
    usual = max(dict.fromkeys(every), key=every.count)
    odd = [
        f"{path.relative_to(folder)} is {shape.extent}, {counted(shape.bands, 'band')}, but most "
        f"images are {usual.extent}, {counted(usual.bands, 'band')}"
        for path, shape in shapes.items()
        if shape != usual
    ]
    if usual.height != usual.width:
        faults.append(f"the images are {usual.extent}; tiles have to be squares")
    return usual, faults + _shortened(odd)


def some(names: Iterable[str]) -> str:
    """The first of ``names``, and how many more there are."""
    every = list(names)
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _shortened(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _NAMED
    return [*lines[:_NAMED], *([f"and {more} more of that kind"] if more > 0 else [])]


def _by_key(paths: Iterable[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in paths:
        found[key(path)].append(path)
    return found
