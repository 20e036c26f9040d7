from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.transform import Affine

from sarseg.scenes.georeference import Georeference
from sarseg.scenes.opening import open_raster
from sarseg.scenes.window import Window
from tests.rasters import write_raster

UTM = Affine(10.0, 0.0, 500_000.25, 0.0, -10.0, 5_700_000.75)
POINTS = [
    GroundControlPoint(row, col, 10 + col * 1e-4, 50 - row * 1e-4, 7.5)
    for row in (0, 15, 30)
    for col in (0, 20, 40)
]
RPCS = RPC(
    height_off=10,
    height_scale=100,
    lat_off=45,
    lat_scale=1,
    line_den_coeff=[1.0] + [0.0] * 19,
    line_num_coeff=[0.5] * 20,
    line_off=15,
    line_scale=15,
    long_off=5,
    long_scale=1,
    samp_den_coeff=[1.0] * 20,
    samp_num_coeff=[0.0] * 20,
    samp_off=20,
    samp_scale=20,
)

KINDS: dict[str, dict[str, Any]] = {
    "utm": {"crs": "EPSG:32631", "transform": UTM},
    "degrees, not square": {
        "crs": "EPSG:4326",
        "transform": Affine(1.021680851165116e-4, 0, 73.29213979242314, 0, -8.8e-5, 30.4758),
    },
    "rotated": {"crs": "EPSG:32631", "transform": Affine(8, 3, 5e5, 3, -8, 5e6)},
    "south up": {"crs": "EPSG:32631", "transform": Affine(8, 0, 5e5, 0, 8, 5e6)},
    "identity with CRS": {"crs": "EPSG:32631"},
    "no CRS": {"transform": UTM},
    "points": {"gcps": POINTS, "crs": "EPSG:4326"},
    "points without CRS": {"gcps": POINTS, "crs": CRS()},
    "rpcs": {"rpcs": RPCS},
    "nothing": {},
}


def georeference(path: Path) -> Georeference:
    with open_raster(str(path)) as dataset:
        return Georeference.of(dataset)


def coordinates(georeference: Georeference) -> list[tuple[float, ...]]:
    return [(p.row, p.col, p.x, p.y, p.z) for p in georeference.gcps]


@pytest.mark.parametrize("kind", KINDS)
def test_gdal_reads_back_what_the_profile_says(tmp_path: Path, kind: str) -> None:
    values = np.ones((30, 40), np.uint8)
    first = georeference(write_raster(tmp_path / "first.tif", values, **KINDS[kind]))
    profile = first.profile()
    assert (profile.pop("height"), profile.pop("width")) == (30, 40)
    second = georeference(write_raster(tmp_path / "second.tif", values, **profile))
    assert not second.difference(first)
    assert (second.crs, second.transform, second.gcp_crs) == (
        first.crs,
        first.transform,
        first.gcp_crs,
    )
    assert coordinates(second) == coordinates(first)
    assert (second.rpcs and second.rpcs.to_dict()) == (first.rpcs and first.rpcs.to_dict())


def test_without_transform_there_is_none(tmp_path: Path) -> None:
    values = np.ones((30, 40), np.uint8)
    for kind in ("points", "nothing", "rpcs"):
        path = write_raster(tmp_path / "scene.tif", values, **KINDS[kind])
        assert georeference(path).transform is None


def test_every_kind_is_another_grid(tmp_path: Path) -> None:
    values = np.ones((30, 40), np.uint8)
    kinds = [kind for kind in KINDS if kind != "rpcs"]
    found = [
        georeference(write_raster(tmp_path / f"{n}.tif", values, **KINDS[kind]))
        for n, kind in enumerate(kinds)
    ]
    for mine, one in zip(kinds, found, strict=True):
        assert [
            kind for kind, other in zip(kinds, found, strict=True) if not one.difference(other)
        ] == [mine]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Georeference(30, 41, CRS.from_epsg(32631), UTM), "30 x 41"),
        (Georeference(30, 40, CRS.from_epsg(32632), UTM), "EPSG:32632"),
        (Georeference(30, 40, CRS.from_epsg(32631), UTM @ Affine.translation(0.5, 0)), "transform"),
        (Georeference(30, 40, CRS.from_epsg(32631), UTM @ Affine.scale(1.001)), "transform"),
    ],
)
def test_says_how_grids_differ(other: Georeference, told: str) -> None:
    difference = Georeference(30, 40, CRS.from_epsg(32631), UTM).difference(other)
    assert difference is not None
    assert told in difference


def test_rounding_in_the_coordinates_is_no_difference() -> None:
    one = Georeference(30, 40, CRS.from_epsg(32631), UTM)
    assert not one.difference(
        Georeference(30, 40, CRS.from_epsg(32631), UTM @ Affine.translation(1e-6, 0))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_lies_where_it_lay(tmp_path: Path, kind: str) -> None:
    path = write_raster(tmp_path / "scene.tif", np.ones((30, 40), np.uint8), **KINDS[kind])
    full = georeference(path)
    part = full.window(Window(5, 9, 20, 11))
    assert (part.height, part.width, part.crs) == (20, 11, full.crs)
    if full.transform:
        assert part.transform is not None
        np.testing.assert_allclose(part.transform @ (2, 3), full.transform @ (11, 8))
    for moved, point in zip(part.gcps, full.gcps, strict=True):
        assert (moved.row, moved.col) == (point.row - 5, point.col - 9)
        assert (moved.x, moved.y, moved.z) == (point.x, point.y, point.z)
    if full.rpcs:
        assert (part.rpcs.line_off, part.rpcs.samp_off) == (10, 11)


def test_georeference_of_a_vrt(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", np.ones((30, 40), np.uint8), **KINDS["points"])
    rasterio.shutil.copy(path, tmp_path / "scene.vrt", driver="VRT")
    assert not georeference(tmp_path / "scene.vrt").difference(georeference(path))
