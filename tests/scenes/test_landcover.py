import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from sarseg.classes import LandCoverClass
from sarseg.errors import OutputError
from sarseg.scenes import osgeo
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.landcover import LandCoverWriter, read_legend
from sarseg.scenes.opening import open_raster
from tests.rasters import hidden_files, write_raster

CLASSES = (
    LandCoverClass(id=7, name="forêt, mixed", colour=(0, 99, 0)),
    LandCoverClass(id=0, name="water", colour=(0, 0, 255)),
    LandCoverClass(id=254, name="=built & <up>", colour=(200, 1, 2)),
)
UTM = Affine(10.0, 0.0, 500_000.25, 0.0, -10.0, 5_700_000.75)


def georeference(height: int, width: int) -> Georeference:
    return Georeference(height, width, CRS.from_epsg(32631), UTM)


def write_map(path: Path, classes: np.ndarray, step: int = 100, **options: Any) -> None:
    confidence = options.get("confidence", False)
    with LandCoverWriter(path, georeference(*classes.shape), CLASSES, **options) as writer:
        for row in range(0, len(classes), step):
            rows = classes[row : row + step]
            writer.write_rows(row, rows, rows // 3 if confidence else None)


def some_classes(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).choice([0, 7, 254, 255], (height, width)).astype(np.uint8)


@pytest.mark.parametrize("confidence", [False, True])
@pytest.mark.parametrize(
    ("shape", "step"), [((700, 300), 100), ((700, 300), 600), ((3, 5), 1), ((256, 256), 256)]
)
def test_rows_come_back_with_everything_a_map_needs(
    tmp_path: Path, shape: tuple[int, int], step: int, confidence: bool
) -> None:
    path, classes = tmp_path / "map.tif", some_classes(*shape)
    write_map(path, classes, step, confidence=confidence, tags={"SARSEG_BANDS": "VV"})
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), classes)
        assert dataset.nodata == 255
        assert (dataset.crs, dataset.transform) == (CRS.from_epsg(32631), UTM)
        assert dataset.descriptions == (("class", "confidence") if confidence else ("class",))
        assert dataset.colorinterp[0] == ColorInterp.palette
        assert dataset.colormap(1)[7] == (0, 99, 0, 255)
        assert dataset.colormap(1)[255][3] == 0
        assert dataset.tags(1)["CLASS_7"] == "forêt, mixed"
        assert dataset.tags()["SARSEG_BANDS"] == "VV"
        assert dataset.compression.value == "DEFLATE"
        assert dataset.count == 1 + confidence
        if confidence:
            np.testing.assert_array_equal(dataset.read(2), classes // 3)
            assert dataset.colorinterp[1] not in (ColorInterp.alpha, ColorInterp.palette)
    assert hidden_files(tmp_path) == []


def test_blocks_are_written_once(tmp_path: Path) -> None:
    """A compressed block that is written again is appended, and the file grows."""
    classes = some_classes(1000, 400)
    write_map(tmp_path / "once.tif", classes, step=1000)
    write_map(tmp_path / "rows.tif", classes, step=7)
    assert (tmp_path / "rows.tif").stat().st_size == (tmp_path / "once.tif").stat().st_size


def write_rows_at(path: Path, *rows: int, bands: int = 1) -> None:
    values = np.zeros((10, 5), np.uint8)
    with LandCoverWriter(path, georeference(30, 5), CLASSES) as writer:
        for row in rows:
            writer.write_rows(row, *[values] * bands)


def test_rows_must_come_in_order_and_complete(tmp_path: Path) -> None:
    for rows in ((0, 20), (10,), (0, 0)):
        with pytest.raises(ValueError, match="expected row"):
            write_rows_at(tmp_path / "map.tif", *rows)
    with pytest.raises(ValueError, match="10 of 30 rows"):
        write_rows_at(tmp_path / "map.tif", 0)
    with pytest.raises(ValueError, match="2 bands"):
        write_rows_at(tmp_path / "map.tif", 0, 10, 20, bands=2)
    assert list(tmp_path.iterdir()) == []


def write_half_a_map(path: Path, failure: type[BaseException]) -> None:
    with LandCoverWriter(path, georeference(600, 5), CLASSES, overwrite=True) as writer:
        writer.write_rows(0, np.zeros((300, 5), np.uint8))
        raise failure("x")


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, OutputError])
def test_a_failure_leaves_the_old_map_and_nothing_else(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    path = tmp_path / "map.tif"
    path.write_text("old")
    (tmp_path / "map.tif.aux.xml").write_text("of the old")
    with pytest.raises(failure):
        write_half_a_map(path, failure)
    assert path.read_text() == "old"
    assert {file.name for file in tmp_path.iterdir()} == {"map.tif", "map.tif.aux.xml"}


def test_an_output_that_exists_is_kept(tmp_path: Path) -> None:
    write_map(tmp_path / "map.tif", some_classes(5, 5))
    before = (tmp_path / "map.tif").read_bytes()
    with pytest.raises(OutputError, match="--overwrite"):
        write_map(tmp_path / "map.tif", some_classes(9, 9))
    assert (tmp_path / "map.tif").read_bytes() == before
    write_map(tmp_path / "map.tif", some_classes(9, 9), overwrite=True)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.shape == (9, 9)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_full_disk_is_noticed_to_the_last_byte(
    tmp_path: Path, file_size_limit: Any, share: float
) -> None:
    """GDAL reports no error for what it writes while it closes a file."""
    classes = some_classes(700, 1000)
    write_map(tmp_path / "map.tif", classes)
    size = (tmp_path / "map.tif").stat().st_size
    file_size_limit(int(share * size))
    with pytest.raises(OutputError, match="could not be written"):
        write_map(tmp_path / "map.tif", classes, overwrite=True)
    assert (tmp_path / "map.tif").stat().st_size == size
    assert hidden_files(tmp_path) == []


def test_memory_does_not_grow_with_the_height(tmp_path: Path) -> None:
    def peak(height: int) -> int:
        rows = np.zeros((100, 200), np.uint8)
        tracemalloc.start()
        with LandCoverWriter(
            tmp_path / f"{height}.tif", georeference(height, 200), CLASSES
        ) as writer:
            for row in range(0, height, 100):
                writer.write_rows(row, rows)
        largest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return largest

    assert peak(20_000) < 1.1 * peak(2_000)


def test_legend_comes_back(tmp_path: Path) -> None:
    write_map(tmp_path / "map.tif", some_classes(5, 5))
    with open_raster(str(tmp_path / "map.tif")) as dataset:
        assert read_legend(dataset) == tuple(sorted(CLASSES, key=lambda entry: entry.id))


def test_legend_of_other_rasters(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "labels.tif", np.ones((4, 4), np.uint8))
    with open_raster(str(path)) as dataset:
        assert read_legend(dataset) == ()
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(1, CLASS_3="peas", CLASS_300="x", CLASS_A="y", XCLASS_1="z", CLASS_4="")
    with open_raster(str(path)) as dataset:
        (peas,) = read_legend(dataset)
        assert (peas.id, peas.name) == (3, "peas")


WRITE_A_MAP = """
    import sys
    from pathlib import Path
    import numpy as np
    {blocker}
    from sarseg.classes import LandCoverClass
    from sarseg.scenes import osgeo
    from sarseg.scenes.georeference import Georeference
    from sarseg.scenes.landcover import LandCoverWriter
    classes = (LandCoverClass(id=2, name="forêt", colour=(0, 99, 0)),
               LandCoverClass(id=1, name="water", colour=(0, 0, 255)))
    grid = Georeference(4, 4, None, None)
    with LandCoverWriter(Path(sys.argv[1]), grid, classes, overwrite=True) as writer:
        writer.write_rows(0, np.full((4, 4), 2, np.uint8))
    print(osgeo.available(), osgeo.in_use())
"""

BLOCKER = """
    class NoOsgeo:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == "osgeo":
                raise ImportError(name)
    sys.meta_path.insert(0, NoOsgeo())
"""


def run_python(code: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(code)]
    run = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return run.stdout


def legend_names(path: Path) -> list[str]:
    with open_raster(str(path)) as dataset:
        return [entry.name for entry in read_legend(dataset)]


def test_without_osgeo_names_are_tags_and_an_old_sidecar_goes(tmp_path: Path) -> None:
    path, sidecar = tmp_path / "map.tif", tmp_path / "map.tif.aux.xml"
    sidecar.write_text("<PAMDataset/>")
    said = run_python(WRITE_A_MAP.format(blocker=BLOCKER), path)
    assert said.startswith("False GDAL's Python bindings (osgeo) are not installed")
    assert legend_names(path) == ["water", "forêt"]
    assert {file.name for file in tmp_path.iterdir()} == {"map.tif"}


@pytest.mark.skipif(not osgeo.available(), reason="GDAL's Python bindings are not installed")
def test_with_osgeo_names_are_also_an_attribute_table(tmp_path: Path) -> None:
    path, sidecar = tmp_path / "map.tif", tmp_path / "map.tif.aux.xml"
    sidecar.write_text("<PAMDataset/>")
    said = run_python(WRITE_A_MAP.format(blocker=""), path)
    assert said.startswith("True GDAL's Python bindings (osgeo ")
    assert legend_names(path) == ["water", "forêt"]
    assert {file.name for file in tmp_path.iterdir()} == {"map.tif", "map.tif.aux.xml"}
    from osgeo import gdal

    dataset = gdal.Open(str(path))  # a band outlives its dataset as a dangling pointer
    band = dataset.GetRasterBand(1)
    table = band.GetDefaultRAT()  # first, as GDAL before 3.7 reads the sidecar only then
    assert band.GetCategoryNames() == ["", "water", "forêt"]
    rows = [
        (table.GetValueAsInt(row, 0), table.GetValueAsString(row, 1))
        for row in range(table.GetRowCount())
    ]
    assert sorted(rows) == [(1, "water"), (2, "forêt")]
