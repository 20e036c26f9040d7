"""Rasters on the grid of a scene, and land-cover classes in them."""

import re
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError
from rasterio.errors import RasterioError

from sarseg.classes import MAX_CLASS_ID, NODATA, LandCoverClass, unnamed_class
from sarseg.errors import InputError
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.landcover import read_legend
from sarseg.scenes.opening import open_raster
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window

_HEX_COLOUR = re.compile(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", re.IGNORECASE)


class AlignedRaster:
    """One band of whole numbers on the grid of a scene, read by windows; a context manager.

    Where an area of interest limits the scene, the raster may cover the whole or that part of it.
    """

    def __init__(self, path: Path, scene: Scene, what: str) -> None:
        self.path = path
        self._cut = Window(0, 0, scene.height, scene.width)
        self._dataset = open_raster(str(path))
        try:
            self._check(scene, what)
        except InputError:
            self.close()
            raise

    def _check(self, scene: Scene, what: str) -> None:
        bands, dtype = self._dataset.count, np.dtype(self._dataset.dtypes[0])
        # Maps of sarseg itself may have more bands, but say what the first one is.
        if bands != 1 and self._dataset.descriptions[0] != "class":
            raise InputError(f"The {what} {self.path} has {bands} bands; one is expected.")
        if not np.issubdtype(dtype, np.integer):
            raise InputError(f"The {what} {self.path} holds {dtype} values; integers are expected.")
        grid = Georeference.of(self._dataset)
        if grid.difference(scene.georeference) is None:
            return
        self._cut = scene.cut
        if difference := grid.difference(scene.whole):
            raise InputError(
                f"The {what} {self.path} does not lie on the grid of the scene: {difference}."
            )

    def values(self, window: Window) -> NDArray[Any]:
        """The numbers in ``window``, which lies within the scene. Raises InputError."""
        row, col = window.row + self._cut.row, window.col + self._cut.col
        try:
            values: NDArray[Any] = self._dataset.read(
                1, window=(slice(row, row + window.height), slice(col, col + window.width))
            )
        except RasterioError as error:
            raise InputError(f"{self.path} cannot be read: {error}.") from error
        return values

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class LabelRaster(AlignedRaster):
    """Class ids, 0..254, on the grid of a scene.

    Unlabelled are pixels of the raster's nodata tag, of 255, and of the values in ``ignore``.
    ``named`` are the classes that the raster's own legend, or else ``class_names``, names.

    Raises InputError where the raster is unreadable, of another grid, or not one integer band.
    """

    def __init__(
        self,
        path: Path,
        scene: Scene,
        *,
        ignore: Sequence[int] = (),
        class_names: Path | None = None,
    ) -> None:
        super().__init__(path, scene, "label raster")
        self._unlabelled = {NODATA, *ignore}
        if self._dataset.nodata is not None:
            self._unlabelled.add(int(self._dataset.nodata))
        known = read_class_names(class_names) if class_names else read_legend(self._dataset)
        self.named = tuple(entry for entry in known if entry.id not in self._unlabelled)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class ids in ``window``, which lies within the scene; 255 where unlabelled.

        Raises InputError where a value is no class id.
        """
        values = self.values(window)
        labelled = ~np.isin(values, list(self._unlabelled))
        wrong = np.argwhere(labelled & ((values < 0) | (values > MAX_CLASS_ID)))
        if wrong.size:
            row, col = wrong[0]
            raise InputError(
                f"The label raster {self.path} holds {values[row, col]} at row "
                f"{window.row + row}, column {window.col + col}; class ids are 0 to "
                f"{MAX_CLASS_ID}. Give --ignore {values[row, col]} if it means unlabelled."
            )
        return np.where(labelled, values, NODATA).astype(np.uint8)


def read_class_names(path: Path) -> tuple[LandCoverClass, ...]:
    """Classes from a YAML file.

    It maps ids to names (``3: water``) or to a name and a colour (``3: {name: water, colour:
    "#0000ff"}``, or ``colour: [0, 0, 255]``). Raises InputError where it is anything else.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The class file {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"The class file {path} is not valid YAML: {reason}.") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"The class file {path} must map class ids to names, as in 3: water.")
    return tuple(_class_entry(path, key, value) for key, value in content.items())


def _class_entry(path: Path, class_id: Any, entry: Any) -> LandCoverClass:
    fields = dict(entry) if isinstance(entry, dict) else {"name": entry}
    colour = fields.get("colour")
    if isinstance(colour, str) and (parts := _HEX_COLOUR.fullmatch(colour)):
        fields["colour"] = tuple(int(part, 16) for part in parts.groups())
    try:
        if (
            type(class_id) is not int
        ):  # YAML takes `yes` for a truth value, which Python takes for 1
            raise TypeError
        fields.setdefault("colour", unnamed_class(class_id).colour)
        return LandCoverClass.model_validate({"id": class_id, **fields})
    except (ValidationError, TypeError, ValueError) as error:
        raise InputError(
            f"The class file {path} has an unusable entry {class_id!r}: {entry!r}. An entry is "
            f"an id from 0 to {MAX_CLASS_ID} with a name, or with {{name: water, colour: "
            '"#0000ff"}.'
        ) from error
