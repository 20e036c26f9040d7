"""Names of classes in rasters that others made, read by GDAL's own Python bindings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from sarseg.scenes import osgeo
from sarseg.scenes.landcover import read_legend
from tests.vectors.maps import UTM, write_map

pytestmark = pytest.mark.skipif(
    not osgeo.available(), reason="GDAL's Python bindings (osgeo) are not installed"
)

NAMES = {1: "water", 10: "forêt", 254: "bare ground"}


@pytest.fixture
def landcover(tmp_path: Path) -> Path:
    return write_map(tmp_path / "map.tif", np.array([[1, 10, 254]], np.uint8), **UTM)


def add_table(path: Path, usage: str, names: dict[int, str]) -> None:
    from osgeo import gdal

    table = gdal.RasterAttributeTable()
    table.CreateColumn("Value", gdal.GFT_Integer, getattr(gdal, usage))
    table.CreateColumn("Count", gdal.GFT_Integer, gdal.GFU_PixelCount)
    table.CreateColumn("Label", gdal.GFT_String, gdal.GFU_Name)
    for row, (value, name) in enumerate(names.items()):
        table.SetRowCount(row + 1)
        table.SetValueAsInt(row, 0, value)
        table.SetValueAsString(row, 2, name)
    dataset = gdal.Open(str(path))
    dataset.GetRasterBand(1).SetDefaultRAT(table)
    dataset.FlushCache()


def add_categories(path: Path, names: list[str]) -> None:
    from osgeo import gdal

    dataset = gdal.Open(str(path))
    dataset.GetRasterBand(1).SetCategoryNames(names)
    dataset.FlushCache()


def legend(path: Path) -> dict[int, str]:
    with rasterio.open(path) as dataset:
        return {entry.id: entry.name for entry in read_legend(dataset)}


@pytest.mark.parametrize("usage", ["GFU_MinMax", "GFU_Min"])
def test_names_of_an_attribute_table(landcover: Path, usage: str) -> None:
    add_table(landcover, usage, NAMES)
    assert osgeo.value_names(str(landcover)) == NAMES
    assert legend(landcover) == NAMES


def test_names_of_categories(landcover: Path) -> None:
    add_categories(landcover, ["", "water", "", "moor"])
    assert osgeo.value_names(str(landcover)) == {1: "water", 3: "moor"}
    assert legend(landcover) == {1: "water", 3: "moor"}


def test_the_table_goes_before_the_categories(landcover: Path) -> None:
    add_categories(landcover, ["", "sea"])
    add_table(landcover, "GFU_MinMax", NAMES)
    assert legend(landcover) == NAMES


def test_sarsegs_own_names_go_before_all(tmp_path: Path) -> None:
    path = write_map(tmp_path / "map.tif", np.array([[1]], np.uint8), names={1: "lake"})
    add_table(path, "GFU_MinMax", NAMES)
    assert legend(path) == {1: "lake"}


def test_a_table_without_names_or_values_is_none(landcover: Path) -> None:
    add_table(landcover, "GFU_Generic", NAMES)
    assert osgeo.value_names(str(landcover)) == {}


def test_values_that_are_no_class_of_a_legend_are_left_out(landcover: Path) -> None:
    add_table(landcover, "GFU_MinMax", {-5: "sky", 1: "water", 255: "none", 4000: "moon"})
    assert legend(landcover) == {1: "water"}


@pytest.mark.parametrize("raises", [True, False])
def test_a_raster_without_names_or_no_raster_at_all(
    landcover: Path, capfd: pytest.CaptureFixture[str], raises: bool
) -> None:
    from osgeo import gdal

    before: Any = gdal.GetUseExceptions()
    try:
        gdal.UseExceptions() if raises else gdal.DontUseExceptions()
        assert osgeo.value_names(str(landcover)) == {}
        assert osgeo.value_names(str(landcover.with_name("missing.tif"))) == {}
        assert bool(gdal.GetUseExceptions()) == raises
    finally:
        gdal.UseExceptions() if before else gdal.DontUseExceptions()
    assert capfd.readouterr() == ("", "")
