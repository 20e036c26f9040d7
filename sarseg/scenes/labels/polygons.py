"""Labels from the polygons of a vector file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import MAX_CLASS_ID, NODATA, LandCoverClass, unnamed_class
from sarseg.errors import InputError
from sarseg.scenes.grid import Grid
from sarseg.scenes.labels.base import Labels
from sarseg.scenes.labels.table import ClassTable
from sarseg.scenes.rasterising import RasterisedShapes
from sarseg.scenes.shapes import attribute_values, read_attributed_shapes
from sarseg.scenes.window import Window

DEFAULT_ATTRIBUTE = "class_id"
"""What ``sarseg vectorize`` calls it."""


class LabelPolygons(Labels):
    """Class ids of the polygons that the centres of pixels lie in; of several the last counts.

    ``attribute`` says what a polygon is: a value that ``table`` lists, else a class id, else a
    name. Names are those of ``table``; without one they are numbered from 1 in sorted order.
    Unlabelled are pixels outside, in polygons without a value, and those of a value in ``ignore``.

    Raises InputError where the file cannot be used or lies elsewhere, or a value is no class.
    """

    def __init__(
        self,
        path: Path,
        grid: Grid,
        *,
        ignore: Sequence[int | str] = (),
        table: ClassTable | None = None,
        attribute: str | None = None,
    ) -> None:
        self.path = path
        self._attribute = attribute or DEFAULT_ATTRIBUTE
        self._unlabelled = {str(NODATA), *map(str, ignore)}
        found = read_attributed_shapes(
            path, grid.georeference, grid.name, self._attribute, "--label-attribute"
        )
        if not found.values:
            raise InputError(
                f"The label polygons {path} do not overlap {grid.name}; check which place, and "
                "which CRS, they are for."
            )
        labelled = sorted({value for value in found.values if value} - self._unlabelled)
        self.named, class_ids = self._classes(labelled, table)
        codes = [class_ids.get(value or "", NODATA) for value in found.values]
        self._image = RasterisedShapes(found.shapes, np.array(codes, np.uint8), NODATA)
        if not len(self._image):
            raise InputError(
                f"The vector file {path} holds no polygon on {grid.name}, only points or lines; "
                "labels need polygons."
            )

    def read(self, window: Window) -> NDArray[np.uint8]:
        """See ``Labels``."""
        return self._image.read(window)

    def _classes(
        self, values: Sequence[str], table: ClassTable | None
    ) -> tuple[tuple[LandCoverClass, ...], Mapping[str, int]]:
        """The classes with names, and the class id of each value."""
        if table is not None and table.sources:
            return table.classes, self._looked_up(values, table.sources, table.missing)
        named = () if table is None else table.classes
        if all(map(_is_whole, values)):
            known = tuple(entry for entry in named if str(entry.id) not in self._unlabelled)
            return known, self._ids(values)
        if table is None:
            named = self._numbered()
        missing = f"which is no name of a class in {table and table.path}, nor listed under `from`."
        ids_by_name = {entry.name: entry.id for entry in named}
        return named, self._looked_up(values, ids_by_name, lambda _: missing)

    def _ids(self, values: Sequence[str]) -> Mapping[str, int]:
        ids = {value: int(value) for value in values}
        for value, class_id in ids.items():
            if not 0 <= class_id <= MAX_CLASS_ID:
                raise InputError(
                    f"{self._says(value)}; class ids are 0 to {MAX_CLASS_ID}. Give --ignore "
                    f"{value} if it means unlabelled, or a table of --classes that says which "
                    "class it is."
                )
        return ids

    def _numbered(self) -> tuple[LandCoverClass, ...]:
        # of the whole file: the same for all scenes that it labels
        names = sorted(attribute_values(self.path, self._attribute) - self._unlabelled)
        if numbers := [name for name in names if _is_whole(name)]:
            words = [name for name in names if not _is_whole(name)]
            raise InputError(
                f"{self._says(numbers[0])}, a number, and of others {words[0]!r}: give a table of "
                "--classes that says which class each is (from: [...])."
            )
        if len(names) > MAX_CLASS_ID:
            raise InputError(
                f"The attribute {self._attribute!r} in {self.path} has {len(names)} different "
                f"values; a legend has at most {MAX_CLASS_ID}. Give a table of --classes, or "
                "another --label-attribute."
            )
        return tuple(
            unnamed_class(number).model_copy(update={"name": name})
            for number, name in enumerate(names, start=1)
        )

    def _looked_up(
        self, values: Sequence[str], ids: Mapping[str, int], missing: Callable[[str], str]
    ) -> Mapping[str, int]:
        for value in values:
            if value not in ids:
                raise InputError(f"{self._says(value)}, {missing(value)}")
        return {value: ids[value] for value in values}

    def _says(self, value: str) -> str:
        return f"{self._attribute!r} of a polygon in {self.path} is {value!r}"


def _is_whole(value: str) -> bool:
    return value.removeprefix("-").isdecimal()
