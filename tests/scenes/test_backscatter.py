from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine

from sarseg.errors import OutputError, UsageError
from sarseg.scenes.backscatter import BLOCK, BackscatterWriter
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window
from tests.georeferences import gcp_georeference
from tests.rasters import hidden_files, speckle

UTM = Affine(10.0, 0.0, 500_000.25, 0.0, -10.0, 5_700_000.75)


def georeference(height: int, width: int) -> Georeference:
    return Georeference(height, width, CRS.from_epsg(32631), UTM)


def write_scene(
    path: Path, values: np.ndarray, grid: Georeference | None = None, **options: Any
) -> None:
    grid = grid or georeference(*values.shape[1:])
    names = ["VV", "VH"][: len(values)]
    with BackscatterWriter(path, grid, names, "intensity", **options) as writer:
        for window in writer.windows():
            rows, cols = window.slices_in(Window(0, 0, grid.height, grid.width))
            writer.write(window, values[:, rows, cols])


@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize(
    "shape", [(1, 3, 5), (2, BLOCK, BLOCK), (1, BLOCK + 1, 2 * BLOCK - 1), (2, 3 * BLOCK, 7)]
)
def test_windows_come_back_with_what_a_scene_needs(
    tmp_path: Path, shape: tuple[int, int, int], blocks: int
) -> None:
    path, values = tmp_path / "s.tif", speckle(*shape)
    values[:, 0, 0] = np.nan
    write_scene(path, values, blocks=blocks, tags={"SARSEG_SCENE": "a.tif"})
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert (dataset.crs, dataset.transform) == (CRS.from_epsg(32631), UTM)
        assert set(dataset.dtypes) == {"float32"}
        assert np.isnan(dataset.nodata)
        assert dataset.descriptions == ("VV", "VH")[: shape[0]]
        assert dataset.tags()["SARSEG_SCENE"] == "a.tif"
        assert dataset.block_shapes[0] == (BLOCK, BLOCK)
        assert dataset.compression is None
    with Scene.open([path]) as scene:
        assert (scene.bands, scene.unit) == (("VV", "VH")[: shape[0]], "intensity")
        assert scene.unit_source == "tag"
    assert hidden_files(tmp_path) == []


def test_ground_control_points_are_kept(tmp_path: Path) -> None:
    grid = gcp_georeference()
    write_scene(tmp_path / "s.tif", speckle(1, grid.height, grid.width), grid)
    with Scene.open([tmp_path / "s.tif"]) as scene:
        assert scene.georeference.difference(grid) is None
        assert len(scene.georeference.gcps) == len(grid.gcps) > 0


def test_windows_cover_the_scene_in_order(tmp_path: Path) -> None:
    grid = georeference(5 * BLOCK + 3, 2 * BLOCK)
    writer = BackscatterWriter(tmp_path / "s.tif", grid, ["VV"], "db", blocks=2)
    covered = np.zeros((grid.height, grid.width), int)
    for window in writer.windows():
        covered[window.slices_in(Window(0, 0, grid.height, grid.width))] += 1
    assert (covered == 1).all()


def write_wrongly(path: Path, order: Callable[[list[Window]], list[Window]]) -> None:
    with BackscatterWriter(path, georeference(BLOCK, 2 * BLOCK), ["VV"], "db", blocks=1) as writer:
        for window in order(list(writer.windows())):
            writer.write(window, np.zeros((1, window.height, window.width), np.float32))


@pytest.mark.parametrize(
    ("order", "told"),
    [
        (lambda windows: windows[::-1], "expected"),
        (lambda windows: windows[:1], "has not been written"),
        (lambda windows: [*windows, windows[0]], "expected"),
    ],
)
def test_windows_must_come_in_order_and_complete(
    tmp_path: Path, order: Callable[[list[Window]], list[Window]], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        write_wrongly(tmp_path / "s.tif", order)
    assert list(tmp_path.iterdir()) == []


def test_names_of_other_formats_and_files_that_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"scene .*s\.img would be a GeoTIFF"):
        write_scene(tmp_path / "s.img", speckle(1, 4, 4))
    write_scene(tmp_path / "s.tif", speckle(1, 4, 4))
    with pytest.raises(OutputError, match="--overwrite"):
        write_scene(tmp_path / "s.tif", speckle(1, 4, 4))
    with pytest.raises(OutputError, match="also an input"):
        write_scene(
            tmp_path / "s.tif", speckle(1, 4, 4), overwrite=True, inputs=[tmp_path / "s.tif"]
        )


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.9999])
def test_a_full_disk_is_noticed_to_the_last_byte(
    tmp_path: Path,
    file_size_limit: Any,
    share: float,
) -> None:
    values = speckle(1, BLOCK + 100, BLOCK + 50)
    write_scene(tmp_path / "s.tif", values)
    size = (tmp_path / "s.tif").stat().st_size
    file_size_limit(int(share * size))
    with pytest.raises(OutputError, match="could not be written"):
        write_scene(tmp_path / "s.tif", values, overwrite=True)
    assert (tmp_path / "s.tif").stat().st_size == size
    assert hidden_files(tmp_path) == []


def write_two(one: Path, other: Path, *, fail: bool) -> None:
    zeros = np.zeros((1, 4, 4), np.float32)
    with (
        BackscatterWriter(one, georeference(4, 4), ["VV"], "db") as first,
        BackscatterWriter(other, georeference(4, 4), ["VV"], "db") as second,
    ):
        for writer in (first, second):
            writer.write(next(writer.windows()), zeros)
        first.finish()
        if fail:
            raise ValueError("x")
        second.finish()


def test_files_finished_together_appear_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"):
        write_two(tmp_path / "a.tif", tmp_path / "b.tif", fail=True)
    assert list(tmp_path.iterdir()) == []
    write_two(tmp_path / "a.tif", tmp_path / "b.tif", fail=False)
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif", "b.tif"}
