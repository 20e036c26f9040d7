import json
from pathlib import Path

import numpy as np
import pytest
from rasterio.transform import Affine

from sarseg.classes import LandCoverClass
from sarseg.datasets.fusar import FUSAR_1
from sarseg.datasets.manifest import MANIFEST_NAME, ChipRecord, ChipWindow, Manifest, SceneRecord
from sarseg.datasets.source import is_dataset
from sarseg.errors import DatasetError
from sarseg.filters.chain import Filters
from sarseg.filters.despeckle import Lee
from sarseg.inspection.dataset import DatasetReport, inspect_dataset
from tests.fusar_folders import write_image, write_release
from tests.rasters import speckle, write_raster

CLASSES = tuple(
    LandCoverClass(id=number, name=name, colour=(number, 0, 0))
    for number, name in ((7, "water"), (2, "wood"))
)


def write_chips(folder: Path, scene: str, *, filters: Filters = Filters()) -> Path:  # noqa: B008
    """Two overlapping chips, in train and validation; one more without labels."""
    folder.mkdir(parents=True)
    chips = []
    for name, split in (("a", "train"), ("b", "validation"), ("c", "unlabelled")):
        grid = {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, -10, 5.7e6)}
        write_raster(folder / f"{name}.tif", speckle(2, 16, 16), **grid)
        label = None if split == "unlabelled" else f"{name}_label.tif"
        if label:
            write_raster(folder / label, np.full((16, 16), 7, np.uint8), **grid)
        chips.append(
            ChipRecord(
                image=f"{name}.tif",
                label=label,
                split=split,
                scene=scene,
                window=ChipWindow(row=0, col=0, height=16, width=16),
                pixels={7: 256} if label else {},
            )
        )
    Manifest(
        classes=CLASSES,
        bands=("VV", "VH"),
        unit="intensity",
        filters=filters,
        size=16,
        overlap=8,
        scenes=(
            SceneRecord(
                name=scene, files=("s.tif",), height=24, width=16, crs="EPSG:32631", pixel_size=10.0
            ),
        ),
        pixels={"train": {7: 200}, "validation": {7: 100, 2: 3}},
        chips=tuple(chips),
    ).write(folder)
    return folder


def inspected(dataset: Path | str, data: Path | None = None) -> DatasetReport:
    report = inspect_dataset(str(dataset), data)
    json.dumps(report.model_dump(mode="json"), allow_nan=False)
    return report


def test_a_folder_of_chips(tmp_path: Path) -> None:
    lee = Filters(despeckle=Lee(size=7, looks=3.0))
    report = inspected(write_chips(tmp_path / "chips", "north", filters=lee))
    assert (report.name, report.size, report.bands) == ("chips", 16, ("VV", "VH"))
    assert (report.units, report.filters, report.pixel_size) == (("intensity",), lee, 10.0)
    assert [scene.name for scene in report.scenes] == ["north"]
    assert {split: of_split.chips for split, of_split in report.splits.items()} == {
        "train": 1,
        "validation": 1,
        "unlabelled": 1,
    }
    # those of the scene, not the more that overlapping chips show
    assert report.splits["train"].pixels == {"water": 200, "wood": 0}
    assert report.splits["validation"].pixels == {"water": 100, "wood": 3}
    assert report.splits["unlabelled"].pixels == {"water": 0, "wood": 0}


def test_folders_of_chips_together(tmp_path: Path) -> None:
    for name in ("north", "south"):
        write_chips(tmp_path / "all" / name, name)
    report = inspected(tmp_path / "all")
    assert [scene.name for scene in report.scenes] == ["north", "south"]
    assert report.splits["train"].chips == 2
    assert report.splits["train"].pixels == {"water": 400, "wood": 0}


def test_fusar_is_counted_in_its_labels(tmp_path: Path) -> None:
    image = np.ones((1, 64, 64), np.uint16)
    write_release(tmp_path, FUSAR_1, image, train=3, test=1)
    water = np.array([0, 0, 255], np.uint8)[:, None, None]
    rgb = np.broadcast_to(water, (3, 64, 64))
    write_image(tmp_path / "LAB" / "test" / "FUSAR_00_Label.tif", rgb)
    seen: list[tuple[int, int]] = []
    report = inspect_dataset("fusar", tmp_path, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert report.splits["test"].pixels["water"] == 64 * 64
    assert sum(report.splits["test"].pixels.values()) == 64 * 64
    assert sum(report.splits["train"].pixels.values()) == 2 * 64 * 64
    assert (report.units, report.scenes, report.pixel_size) == (("amplitude",), (), None)
    assert (
        report.division == "validation: the last 1 of 3 training tiles in the order of their names"
    )


def test_images_and_masks_are_counted_in_the_masks(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / "images" / f"{number}.png", np.ones((1, 8, 8), np.uint8))
        mask = np.zeros((1, 8, 8), np.uint8)
        mask[0, :2] = 255
        write_image(tmp_path / "masks" / f"{number}.png", mask)
    report = inspected(tmp_path)
    assert report.splits["train"].pixels == {"background": 2 * 48, "foreground": 2 * 16}
    assert report.splits["validation"].chips == 1
    assert report.division.startswith("validation: the last 1 of 3")
    assert "255" in report.remarks[0]


def test_what_is_a_dataset(tmp_path: Path) -> None:
    write_chips(tmp_path / "all" / "north", "north")
    (tmp_path / "empty").mkdir()
    write_raster(tmp_path / "vv.tif", speckle(4, 4))
    datasets = ["fusar", "fusar2", str(tmp_path / "all"), str(tmp_path / "all" / "north")]
    others = [str(tmp_path / name) for name in ("empty", "vv.tif", "gone")]
    others += ["https://localhost/s.tif", str(tmp_path)]
    assert [is_dataset(each) for each in datasets] == [True] * len(datasets)
    assert [is_dataset(each) for each in others] == [False] * len(others)


def test_a_broken_manifest_is_a_dataset_with_an_error(tmp_path: Path) -> None:
    folder = write_chips(tmp_path / "chips", "north")
    (folder / MANIFEST_NAME).write_text("{")
    assert is_dataset(str(folder))
    with pytest.raises(DatasetError, match="not a usable list of chips"):
        inspected(folder)
