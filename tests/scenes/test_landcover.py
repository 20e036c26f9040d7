import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rasterio.transform import Affine
from rio_cogeo.cogeo import cog_validate

from sarseg.classes import LandCoverClass
from sarseg.errors import OutputError
from sarseg.scenes import osgeo
from sarseg.scenes.georeference import Georeference, quietly_georeferenced
from sarseg.scenes.landcover import RawStrip, read_legend, write_landcover
from sarseg.scenes.opening import open_raster
from tests.georeferences import gcp_georeference
from tests.rasters import write_raster

CLASSES = (
    LandCoverClass(id=7, name="forêt, mixed", colour=(0, 99, 0)),
    LandCoverClass(id=0, name="water", colour=(0, 0, 255)),
    LandCoverClass(id=254, name="=\"built\" & <up> 'x' ]]>", colour=(200, 1, 2)),
)
BANDS = ("class", "confidence", "entropy", "probability of forêt, mixed")
UTM = Affine(10.0, 0.0, 500_000.25, 0.0, -10.0, 5_700_000.75)
WGS84 = CRS.from_epsg(4326)


def utm(height: int, width: int) -> Georeference:
    return Georeference(height, width, CRS.from_epsg(32631), UTM)


def some_values(num_bands: int, height: int, width: int) -> NDArray[np.uint8]:
    """Bands of a map: patches of classes, percentages that vary, nodata here and there in all."""
    rng = np.random.default_rng(0)
    patches = rng.choice([0, 7, 254], (height // 3 + 1, width // 3 + 1))
    values = rng.integers(0, 101, (num_bands, height, width)).astype(np.uint8)
    values[0] = np.kron(patches, np.ones((3, 3)))[:height, :width]
    values[:, rng.random((height, width)) < 0.2] = 255
    values[:, : height // 3, : width // 3] = 255
    return values


def write_strips(work: Path, values: NDArray[np.uint8], columns: Sequence[int]) -> list[RawStrip]:
    """Write ``values`` (B, h, w) as strips that begin at ``columns``."""
    work.mkdir(exist_ok=True)
    strips = []
    for number, (col, end) in enumerate(zip(columns, [*columns[1:], values.shape[2]], strict=True)):
        path = work / f"strip-{number}.bil"
        path.write_bytes(values[:, :, col:end].transpose(1, 0, 2).tobytes())
        strips.append(RawStrip(path, col, end - col))
    return strips


def write_map(
    path: Path,
    values: NDArray[np.uint8],
    columns: Sequence[int] = (0,),
    georeference: Georeference | None = None,
    classes: Sequence[LandCoverClass] = CLASSES,
    tags: dict[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    work = path.with_name("work")
    write_landcover(
        path,
        georeference or utm(*values.shape[1:]),
        classes,
        BANDS[: len(values)],
        write_strips(work, values, columns),
        tags=tags or {},
        work=work,
        progress=progress,
    )


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"work"}


@pytest.mark.parametrize("num_bands", [1, 2, 4])
@pytest.mark.parametrize(
    ("shape", "columns", "shrinks"),
    [
        ((1, 1), (0,), []),
        ((5, 3), (0, 1, 2), []),
        ((511, 512), (0, 100), []),
        ((513, 513), (0, 512), [2]),
        ((512, 511), (0,), []),
        ((1, 3000), (0, 2999), [2, 4, 8]),
        ((3000, 1), (0,), [2, 4, 8]),
        ((700, 2100), (0, 700, 1401), [2, 4, 8]),
    ],
)
def test_a_map_comes_back_with_everything_it_needs(
    tmp_path: Path,
    shape: tuple[int, int],
    columns: tuple[int, ...],
    shrinks: list[int],
    num_bands: int,
) -> None:
    path, values = tmp_path / "map.tif", some_values(num_bands, *shape)
    write_map(path, values, columns, tags={"SARSEG_BANDS": "VV"})
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.nodatavals == (255,) * num_bands
        assert (dataset.crs, dataset.transform) == (CRS.from_epsg(32631), UTM)
        assert dataset.descriptions == BANDS[:num_bands]
        assert dataset.colorinterp == (ColorInterp.palette, *[ColorInterp.gray] * (num_bands - 1))
        assert dataset.colormap(1)[7] == (0, 99, 0, 255)
        assert dataset.colormap(1)[255][3] == 0
        assert dataset.tags()["SARSEG_BANDS"] == "VV"
        assert dataset.compression.value == "DEFLATE"
        assert dataset.block_shapes == [(512, 512)] * num_bands
        assert [len(dataset.overviews(band)) for band in dataset.indexes] == [
            len(shrinks)
        ] * num_bands
        assert read_legend(dataset) == tuple(sorted(CLASSES, key=lambda entry: entry.id))
    for level, shrink in enumerate(shrinks):
        with rasterio.open(path, overview_level=level) as dataset:
            assert dataset.shape == tuple(-(-side // shrink) for side in shape)
    if shape[1] > 1:  # the validator goes by the width alone, which cannot be halved
        assert cog_validate(path, strict=True) == (True, [], [])
    assert files(tmp_path) == {"map.tif", "map.tif.aux.xml"}


def test_without_its_sidecar_no_band_is_taken_for_transparency(tmp_path: Path) -> None:
    write_map(tmp_path / "map.tif", some_values(2, 30, 40))
    (tmp_path / "map.tif.aux.xml").unlink()
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.colorinterp == (ColorInterp.palette, ColorInterp.gray)
        assert dataset.colormap(1)[7] == (0, 99, 0, 255)


@pytest.mark.parametrize("shape", [(1024, 768), (701, 1303)])
def test_overviews_hold_the_commonest_class_and_the_mean(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    path, values = tmp_path / "map.tif", some_values(3, *shape)
    write_map(path, values, (0, 300))
    with rasterio.open(path) as dataset:
        shrinks = dataset.overviews(1)
    for level, shrink in enumerate(shrinks):
        with rasterio.open(path, overview_level=level) as dataset:
            small = dataset.read()
        # pixels at the right and lower edge have parts of others below them
        rows, cols = shape[0] // shrink, shape[1] // shrink
        below = values[:, : rows * shrink, : cols * shrink]
        below = (
            below.reshape(3, rows, shrink, cols, shrink).swapaxes(2, 3).reshape(3, rows, cols, -1)
        )
        whole = [cols * shrink == shape[1], rows * shrink == shape[0]]
        small = small[:, : rows - (not whole[1]), : cols - (not whole[0])]
        below = below[:, : small.shape[1], : small.shape[2]]
        if not all(whole):  # GDAL stretches an odd raster a little: pixels are not quite below
            assert set(np.unique(small[0])) <= {0, 7, 254, 255}
            continue
        counts = np.stack([(below[0] == value).sum(axis=-1) for value in (0, 7, 254)])
        none = counts.sum(axis=0) == 0
        assert none.any()
        np.testing.assert_array_equal(small[0] == 255, none)
        chosen = np.stack([small[0] == value for value in (0, 7, 254)])
        np.testing.assert_array_equal((counts * chosen).sum(axis=0), counts.max(axis=0))
        for band in (1, 2):
            valid = below[band] != 255
            mean = np.where(valid, below[band], 0).sum(axis=-1) / np.maximum(valid.sum(axis=-1), 1)
            np.testing.assert_array_equal(small[band] == 255, none)
            # each overview is made from the one before, which is rounded
            limit = 0.51 if shrink == 2 else 15
            assert np.abs(small[band] - mean)[~none].max() <= limit
            assert abs((small[band] - mean)[~none].mean()) < 0.6


def everywhere() -> dict[str, Georeference]:
    size = (200, 300)
    points = gcp_georeference().gcps
    named = tuple(
        GroundControlPoint(
            p.row + 1 / 3, p.col, p.x, p.y, z=7 / 3, id=f"<{number}>", info='of "x" & é'
        )
        for number, p in enumerate(points)
    )
    one = [1.0, *[0.0] * 19]
    rpcs = RPC(
        height_off=100.1, height_scale=500.0, lat_off=1 / 3, lat_scale=0.5, line_den_coeff=one,
        line_num_coeff=[0.0, 0.0, 1.0, *[1e-7] * 17], line_off=100.0, line_scale=150.0,
        long_off=5.0, long_scale=0.5, samp_den_coeff=one, samp_off=150.0, samp_scale=150.0,
        samp_num_coeff=[0.0, 1.0, 0.0, *[-1e-9 / 3] * 17],
    )  # fmt: skip
    local = CRS.from_proj4("+proj=laea +lat_0=52.123 +lon_0=10.5 +ellps=GRS80 +units=m")
    return {
        "UTM": utm(*size),
        "degrees": Georeference(*size, WGS84, Affine(1 / 3600, 0, 5.1, 0, -1 / 3600, 52.3)),
        "rotated": Georeference(*size, CRS.from_epsg(3413), UTM @ Affine.rotation(33.3)),
        "south up": Georeference(*size, CRS.from_epsg(2193), Affine(1, 0, 1 / 3, 0, 1, 1e6 / 7)),
        "own CRS": Georeference(*size, local, UTM),
        "metres and heights": Georeference(*size, CRS.from_user_input("EPSG:25832+7837"), UTM),
        "pixels with a CRS": Georeference(*size, CRS.from_epsg(32631), Affine.identity()),
        "no CRS": Georeference(*size, None, UTM),
        "no transform": Georeference(*size, None, None),
        "points": Georeference(*size, None, None, named, WGS84),
        "points in metres": Georeference(*size, None, None, named[:5], CRS.from_epsg(32631)),
        "points without CRS": Georeference(*size, None, None, named[:5], None),
        "RPCs": Georeference(*size, None, None, rpcs=rpcs),
    }


@pytest.mark.parametrize("case", list(everywhere()))
def test_a_map_lies_where_its_scene_does(tmp_path: Path, case: str) -> None:
    georeference, path = everywhere()[case], tmp_path / "map.tif"
    write_map(path, some_values(1, 200, 300), georeference=georeference)
    with quietly_georeferenced(), rasterio.open(path) as dataset:
        found = Georeference.of(dataset)
    assert found.crs == georeference.crs
    assert found.gcp_crs == georeference.gcp_crs
    assert found.transform == georeference.transform
    # points are equal only where they are the same object
    assert [vars(p) for p in found.gcps] == [vars(p) for p in georeference.gcps]
    assert found.rpcs == (georeference.rpcs and read_rpcs(georeference.rpcs, tmp_path))


def read_rpcs(rpcs: RPC, folder: Path) -> RPC:
    """What rasterio writes and reads: 15 digits."""
    path = write_raster(folder / "rpcs.tif", np.zeros((200, 300), np.uint8), rpcs=rpcs)
    with quietly_georeferenced(), rasterio.open(path) as dataset:
        return dataset.rpcs


def test_the_crs_is_what_rasterio_would_have_written(tmp_path: Path) -> None:
    for case in ("UTM", "degrees", "own CRS", "metres and heights"):
        georeference = everywhere()[case]
        write_map(tmp_path / "map.tif", some_values(1, 200, 300), georeference=georeference)
        plain = write_raster(
            tmp_path / "plain.tif",
            np.zeros((200, 300), np.uint8),
            crs=georeference.crs,
            transform=georeference.transform,
        )
        with rasterio.open(tmp_path / "map.tif") as made, rasterio.open(plain) as expected:
            assert made.crs.to_wkt() == expected.crs.to_wkt()


TEXT = st.text(st.characters(exclude_categories=["C"], include_characters="\n"), min_size=1).map(
    lambda text: f"x{text}x"
)  # GDAL's XML begins a text at its first letter


@settings(max_examples=20, deadline=None)
@given(name=TEXT, tag=TEXT)
def test_any_name_and_tag_comes_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, tag: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "map.tif"
    classes = (LandCoverClass(id=3, name=name, colour=(1, 2, 3)),)
    write_map(path, np.full((1, 2, 2), 3, np.uint8), classes=classes, tags={"SARSEG_X": tag})
    with open_raster(str(path)) as dataset:
        assert read_legend(dataset) == classes
        assert dataset.tags()["SARSEG_X"] == tag
    assert attribute_table(path)[0][:2] == ["3", name]


def attribute_table(path: Path) -> list[list[str | None]]:
    root = ElementTree.parse(path.with_name(path.name + ".aux.xml")).getroot()
    return [[cell.text for cell in row] for row in root.iterfind(".//Row")]


def test_the_path_may_be_any(tmp_path: Path) -> None:
    folder = tmp_path / "a & <b> 'c' \"d\" é!"
    folder.mkdir()
    path, values = folder / "m?p & <x>.tiff", some_values(2, 600, 30)
    write_map(path, values)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.overviews(2) == [2]


def test_equal_maps_are_equal_byte_by_byte(tmp_path: Path) -> None:
    values = some_values(2, 700, 1500)
    for name, columns in (("one", (0,)), ("other", (0, 3, 1000))):
        (tmp_path / name).mkdir()
        write_map(tmp_path / name / f"{name}.tif", values, columns)
    one_cpu = """
        import os, sys
        from pathlib import Path
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        from tests.scenes.test_landcover import some_values, write_map
        write_map(Path(sys.argv[1]), some_values(2, 700, 1500))
    """
    (tmp_path / "slow").mkdir()
    run_python(one_cpu, tmp_path / "slow" / "slow.tif")
    for suffix in (".tif", ".tif.aux.xml"):
        contents = {
            (tmp_path / name / f"{name}{suffix}").read_bytes() for name in ("one", "other", "slow")
        }
        assert len(contents) == 1


def test_class_names_are_categories_and_a_table(tmp_path: Path) -> None:
    write_map(tmp_path / "map.tif", some_values(1, 5, 5))
    band = ElementTree.parse(tmp_path / "map.tif.aux.xml").getroot().find("PAMRasterBand")
    assert band is not None
    categories = [category.text for category in band.iterfind("CategoryNames/Category")]
    assert len(categories) == 255
    assert {entry.id: categories[entry.id] for entry in CLASSES} == {
        entry.id: entry.name for entry in CLASSES
    }
    names = [name.text for name in band.iterfind("GDALRasterAttributeTable/FieldDefn/Name")]
    assert names == ["Value", "Class", "Red", "Green", "Blue"]
    assert attribute_table(tmp_path / "map.tif") == [
        [str(entry.id), entry.name, *map(str, entry.colour)] for entry in CLASSES
    ]


@pytest.mark.skipif(not osgeo.available(), reason="GDAL's Python bindings are not installed")
def test_gdal_finds_categories_and_table(tmp_path: Path) -> None:
    from osgeo import gdal

    write_map(tmp_path / "map.tif", some_values(3, 5, 5))
    dataset = gdal.Open(str(tmp_path / "map.tif"))  # a band outlives it as a dangling pointer
    band = dataset.GetRasterBand(1)
    table = band.GetDefaultRAT()  # first, as GDAL before 3.7 reads the sidecar only then
    names = band.GetCategoryNames()
    assert {entry.id: names[entry.id] for entry in CLASSES} == {
        entry.id: entry.name for entry in CLASSES
    }
    assert band.GetColorTable().GetColorEntry(7) == (0, 99, 0, 255)
    columns = range(table.GetColumnCount())
    assert [table.GetUsageOfCol(column) for column in columns] == [
        gdal.GFU_MinMax, gdal.GFU_Name, gdal.GFU_Red, gdal.GFU_Green, gdal.GFU_Blue
    ]  # fmt: skip
    for row, entry in enumerate(CLASSES):
        assert table.GetValueAsInt(row, 0) == entry.id
        assert table.GetValueAsString(row, 1) == entry.name
        assert [table.GetValueAsInt(row, column) for column in (2, 3, 4)] == list(entry.colour)


def run_python(code: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(code)]
    run = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return run.stdout


WITHOUT_OSGEO = """
    import sys
    from pathlib import Path
    class NoOsgeo:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == "osgeo":
                raise ImportError(name)
    sys.meta_path.insert(0, NoOsgeo())
    from sarseg.scenes import osgeo
    from tests.scenes.test_landcover import some_values, write_map
    write_map(Path(sys.argv[1]), some_values(2, 600, 30))
    print(osgeo.available())
"""


def test_a_map_is_the_same_without_osgeo(tmp_path: Path) -> None:
    said = run_python(WITHOUT_OSGEO, tmp_path / "without.tif")
    assert said == "False\n"
    write_map(tmp_path / "with.tif", some_values(2, 600, 30))
    for suffix in (".tif", ".tif.aux.xml"):
        one, other = (tmp_path / f"{name}{suffix}" for name in ("with", "without"))
        assert one.read_bytes() == other.read_bytes()


def test_old_map_and_sidecar_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    path.write_text("old")
    (tmp_path / "map.tif.aux.xml").write_text("<PAMDataset>old</PAMDataset>")
    write_map(path, some_values(1, 9, 9))
    with rasterio.open(path) as dataset:
        assert dataset.shape == (9, 9)
    assert "old" not in (tmp_path / "map.tif.aux.xml").read_text("utf-8")
    assert files(tmp_path) == {"map.tif", "map.tif.aux.xml"}


def old_map(folder: Path) -> Path:
    path = folder / "map.tif"
    path.write_text("old")
    (folder / "map.tif.aux.xml").write_text("of the old")
    return path


def assert_old_map(path: Path) -> None:
    assert path.read_text() == "old"
    assert path.with_name("map.tif.aux.xml").read_text() == "of the old"
    assert files(path.parent) == {"map.tif", "map.tif.aux.xml"}


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, OutputError])
def test_an_interruption_leaves_the_old_map_and_the_strips(
    tmp_path: Path, failure: type[BaseException], step: int
) -> None:
    path, values = old_map(tmp_path), some_values(2, 600, 700)

    def interrupt(done: int, total: int) -> None:
        assert total == 4
        if done == step:
            raise failure("x")

    with pytest.raises(failure):
        write_map(path, values, progress=interrupt)
    assert_old_map(path)
    assert (tmp_path / "work" / "strip-0.bil").stat().st_size == values.size
    write_map(path, values, (0, 100))
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), values)


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from tests.scenes.test_landcover import some_values, write_map
    def kill(done, total):
        if done == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
    write_map(Path(sys.argv[1]), some_values(2, 600, 700), progress=kill)
"""


@pytest.mark.parametrize("step", [1, 3])
def test_after_a_kill_the_old_map_stands_and_the_work_is_done_again(
    tmp_path: Path, step: int
) -> None:
    path, values = old_map(tmp_path), some_values(2, 600, 700)
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(path), str(step)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    (tmp_path / "work" / "percentages.vrt.ovr").write_text("half")
    write_map(path, values)
    write_map(tmp_path / "whole.tif", values)
    assert path.read_bytes() == (tmp_path / "whole.tif").read_bytes()


KILLED_AT_RENAME = """
    import os, signal, sys
    from pathlib import Path
    from tests.scenes.test_landcover import some_values, write_map
    def hook(event, arguments):
        if event == "os.rename" and str(arguments[1]).endswith(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    write_map(Path(sys.argv[1]), some_values(1, 9, 9))
"""


@pytest.mark.parametrize("target", ["map.tif", "map.tif.aux.xml"])
def test_after_a_kill_no_map_has_the_sidecar_of_another(tmp_path: Path, target: str) -> None:
    path = old_map(tmp_path)
    command = [sys.executable, "-c", textwrap.dedent(KILLED_AT_RENAME), str(path), target]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert (path.read_bytes() == b"old") == (target == "map.tif")
    assert not (tmp_path / "map.tif.aux.xml").exists()


@pytest.mark.parametrize("share", [0.0002, 0.003, 0.05, 0.3, 0.9, 0.999])
def test_a_full_disk_is_noticed_to_the_last_byte(
    tmp_path: Path, file_size_limit: Any, share: float
) -> None:
    """GDAL reports no error for what it writes while it closes a file."""
    values = some_values(2, 700, 1000)
    write_map(tmp_path / "map.tif", values)
    size = (tmp_path / "map.tif").stat().st_size
    strips = write_strips(tmp_path / "work", values, (0,))
    path = old_map(tmp_path)
    file_size_limit(int(share * size))
    with pytest.raises(OutputError) as failed:
        write_landcover(
            path, utm(700, 1000), CLASSES, BANDS[:2], strips, tags={}, work=tmp_path / "work"
        )
    told = str(failed.value)
    assert re.search(r"map\.tif could not be written( \(File too large\))?: is there room", told)
    assert re.search(r"takes up to 0\.0023 GB in .*work beside .*; \d.* GB are free", told)
    assert_old_map(path)
    assert strips[0].path.stat().st_size == values.size


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.999])
def test_overviews_that_the_disk_did_not_take_are_noticed(
    tmp_path: Path, file_size_limit: Any, share: float
) -> None:
    """GDAL reads missing blocks of overviews as nodata; by then there may be room again."""
    values, path = some_values(2, 700, 1000), tmp_path / "map.tif"
    write_map(path, values)
    size = (tmp_path / "work" / "percentages.vrt.ovr").stat().st_size

    def only_percentages(done: int, _: int) -> None:
        file_size_limit(int(share * size) if done == 1 else -1)

    with pytest.raises(OutputError, match="could not be written"):
        write_map(old_map(tmp_path), values, progress=only_percentages)
    file_size_limit(-1)
    assert_old_map(path)


def test_strips_that_do_not_hold_the_map_are_refused(tmp_path: Path) -> None:
    values = some_values(1, 10, 9)
    strips = write_strips(tmp_path / "work", values, (0, 4))
    strips[0].path.write_bytes(bytes(39))
    for given_strips in (strips, strips[1:], strips[::-1]):
        with pytest.raises(ValueError, match="bytes, expected"):
            write_landcover(
                tmp_path / "map.tif", utm(10, 9), CLASSES, BANDS[:1], given_strips,
                tags={}, work=tmp_path / "work",
            )  # fmt: skip
    with pytest.raises(ValueError, match="0 of 9 columns"):
        write_landcover(
            tmp_path / "map.tif", utm(10, 9), CLASSES, BANDS[:1], [], tags={}, work=tmp_path
        )
    assert files(tmp_path) == set()


def test_raw_rows_are_never_taken_for_another_format(tmp_path: Path) -> None:
    """Classes 73, 73, 42, 0 begin a TIFF."""
    values = np.zeros((1, 20, 30), np.uint8)
    values[0, 0, :4] = (73, 73, 42, 0)
    write_map(tmp_path / "map.tif", values)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), values)


PEAK = """
    import os, resource, sys
    from pathlib import Path
    os.environ["GDAL_CACHEMAX"] = "8"
    from tests.scenes.test_landcover import BANDS, CLASSES, RawStrip, utm, write_landcover
    work, height, width = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with (work / "strip").open("wb") as file:
        file.truncate(2 * height * width)
    write_landcover(
        work / "map.tif", utm(height, width), CLASSES, BANDS[:2],
        [RawStrip(work / "strip", 0, width)], tags={}, work=work,
    )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_grows_neither_with_height_nor_with_width(tmp_path: Path) -> None:
    def peak(height: int, width: int) -> int:
        return int(run_python(PEAK, tmp_path, height, width))

    small = peak(1000, 1000)
    for height, width in ((30_000, 1000), (1000, 30_000)):
        assert peak(height, width) < small + 30_000  # kB; the map has 60,000


def test_legend_of_other_rasters(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "labels.tif", np.ones((4, 4), np.uint8))
    with open_raster(str(path)) as dataset:
        assert read_legend(dataset) == ()
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(1, CLASS_3="peas", CLASS_300="x", CLASS_A="y", XCLASS_1="z", CLASS_4="")
    with open_raster(str(path)) as dataset:
        (peas,) = read_legend(dataset)
        assert (peas.id, peas.name) == (3, "peas")
