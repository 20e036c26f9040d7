import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from sarseg.inspection.scene import SceneReport, inspect_scene
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from tests.file_server import serving
from tests.georeferences import gcp_georeference
from tests.rasters import speckle, write_raster
from tests.scenes.sentinel1.safe import GRD, HEIGHT, WIDTH, Safe, counts

UTM: dict[str, Any] = {
    "crs": "EPSG:32631",
    "transform": Affine(10, 0, 500_000, 0, -20, 5_700_000),
}
TAGGED = {"SARSEG_UNIT": "intensity"}


def inspected(*files: Path | str, **reading: Any) -> SceneReport:
    with Scene.open(files, Reading(**reading)) as scene:
        report = inspect_scene(scene)
    json.dumps(report.model_dump(mode="json"), allow_nan=False)
    return report


def test_a_calibrated_scene(tmp_path: Path) -> None:
    values = speckle(2, 300, 400, mean=0.1)
    values[0, :30] = np.nan
    path = write_raster(tmp_path / "s.tif", values, descriptions=["VV", "VH"], tags=TAGGED, **UTM)
    report = inspected(path)
    assert report.files == (str(path),)
    assert (report.height, report.width) == (300, 400)
    assert report.placement.crs == "EPSG:32631 (WGS 84 / UTM zone 31N)"
    assert report.placement.transform == tuple(UTM["transform"])[:6]
    assert report.placement.gcps == 0
    assert report.pixel_size == pytest.approx(200**0.5)
    assert (report.unit, report.unit_source) == ("intensity", "tag")
    vv, vh = report.bands
    assert (vv.name, vv.role, vv.format, vv.dtype) == ("VV", "backscatter", "GeoTIFF", "float32")
    assert vv.source == f"band 1 of {path}"
    assert (vv.nodata, vv.calibration) == ((), None)
    assert vv.valid == pytest.approx(0.9)
    assert vh.valid == 1.0  # one band's nodata does not spoil another
    assert vv.statistics is not None
    assert vv.statistics.mean == pytest.approx(-10.0, abs=0.1)
    assert vv.looks == pytest.approx(1.0, rel=0.2)
    assert report.warnings == report.left_out == ()
    assert not report.sampled


def test_all_pixels_count_strip_by_strip(tmp_path: Path) -> None:
    """One bright pixel that no sample would meet."""
    values = speckle(5000, 1200, mean=0.1)
    values[4321, 987] = 5e4
    path = write_raster(tmp_path / "vv.tif", values, tags=TAGGED)
    seen: list[tuple[int, int]] = []
    with Scene.open([path]) as scene:
        report = inspect_scene(scene, lambda done, total: seen.append((done, total)))
    (band,) = report.bands
    assert band.statistics is not None
    assert band.statistics.maximum == pytest.approx(10 * np.log10(5e4), abs=1e-3)
    assert len(seen) > 1
    assert seen[-1] == (5000, 5000)


def test_digital_numbers_are_called_into_question(tmp_path: Path) -> None:
    dn = (speckle(100, 100, mean=300.0) + 1).astype(np.uint16)
    report = inspected(write_raster(tmp_path / "vv.tif", dn))
    guessed, uncalibrated = report.warnings
    assert "look like amplitude" in guessed
    assert "--input-unit" in guessed
    assert "VV has a median of 4" in uncalibrated
    assert "not calibrated" in uncalibrated
    assert report.unit_source == "guess"
    assert inspected(tmp_path / "vv.tif", unit="amplitude").warnings == (uncalibrated,)


def test_far_too_low_is_as_wrong_as_far_too_high(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", speckle(50, 50, mean=1e-7), tags=TAGGED)
    (warning,) = inspected(path).warnings
    assert "VV has a median of -7" in warning


def test_control_points_and_how_well_they_fit(tmp_path: Path) -> None:
    points = gcp_georeference()
    values = speckle(points.height, points.width)
    path = write_raster(
        tmp_path / "vv.tif", values, tags=TAGGED, gcps=list(points.gcps), crs="EPSG:4326"
    )
    placement = inspected(path).placement
    assert (placement.gcps, placement.crs) == (35, "EPSG:4326 (WGS 84)")
    assert placement.transform is None
    assert placement.gcp_residual is not None
    assert 0 < placement.gcp_residual < 0.1


def test_control_points_on_one_spot_are_told(tmp_path: Path) -> None:
    points = list(gcp_georeference().gcps)
    for point in points:
        point.x, point.y = 5.0, 52.0
    path = write_raster(
        tmp_path / "vv.tif", speckle(50, 50), tags=TAGGED, gcps=points, crs="EPSG:4326"
    )
    report = inspected(path)
    assert len(report.warnings) == 1
    assert "cannot be placed on the map" in report.warnings[0]
    assert report.placement.gcp_residual is None


def test_a_scene_that_lies_nowhere(tmp_path: Path) -> None:
    report = inspected(write_raster(tmp_path / "vv.tif", speckle(50, 50), tags=TAGGED))
    assert report.placement.model_dump() == {
        "crs": None,
        "transform": None,
        "gcps": 0,
        "gcp_residual": None,
        "rpcs": False,
    }
    assert report.pixel_size is None


def test_nodata_values_and_a_scene_without_data(tmp_path: Path) -> None:
    path = write_raster(
        tmp_path / "vv.tif", np.full((30, 30), -1, np.float32), nodata=np.nan, tags=TAGGED
    )
    report = inspected(path, nodata=-1.0)
    assert report.bands[0].nodata == ("NaN", -1.0)
    assert report.bands[0].valid == 0.0
    assert report.bands[0].statistics is None
    assert report.bands[0].looks is None
    assert report.warnings == ("VV has no valid pixel.",)


def test_border_noise_is_counted(tmp_path: Path) -> None:
    dn = np.sqrt(speckle(300, 300, mean=200.0**2)).clip(60, 60_000).astype(np.uint16)
    dn[:, :40] = 0
    dn[:, 30:40] = 2
    report = inspected(write_raster(tmp_path / "vv.tif", dn), unit="amplitude")
    (band,) = report.bands
    assert band.valid == pytest.approx(260 / 300)
    assert band.border_noise == pytest.approx(10 / 300)
    assert any("3.3% of the pixels of VV are dark, but not zero" in w for w in report.warnings)
    dn[:, 30:40] = 0
    report = inspected(write_raster(tmp_path / "b_vv.tif", dn), unit="amplitude")
    assert report.bands[0].border_noise == 0.0
    assert not any("dark" in warning for warning in report.warnings)


def test_border_noise_is_not_looked_for_where_other_things_take_pixels_out(tmp_path: Path) -> None:
    dn = np.sqrt(speckle(100, 100, mean=200.0**2)).clip(60, 60_000).astype(np.uint16)
    vv = write_raster(tmp_path / "s_vv.tif", dn)
    mask = write_raster(tmp_path / "mask.tif", np.eye(100, dtype=np.uint8))
    report = inspected(vv, mask, bands=("VV", "layover_shadow"), unit="amplitude")
    assert [band.name for band in report.bands] == ["VV"]
    assert report.bands[0].border_noise is None
    assert report.bands[0].valid == pytest.approx(0.99)


def test_auxiliary_bands(tmp_path: Path) -> None:
    ramp = np.linspace(20, 45, 2500, dtype=np.float32).reshape(50, 50)
    vv = write_raster(tmp_path / "s_vv.tif", speckle(50, 50), tags=TAGGED)
    angle, height = (write_raster(tmp_path / f"{name}.tif", ramp) for name in "ab")
    report = inspected(vv, angle, height, bands=("VV", "local_incidence_angle", "elevation"))
    _, angles, heights = report.bands
    assert (angles.role, angles.unit, heights.unit) == ("auxiliary", "degrees", "m")
    assert angles.looks is None
    assert angles.statistics is not None
    assert (angles.statistics.minimum, angles.statistics.maximum) == (20.0, 45.0)


def test_bands_left_out(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", speckle(2, 20, 20), descriptions=["VV", "quality"])
    assert inspected(path).left_out == (f"band 2 of {path}",)


def test_a_sentinel_1_product(tmp_path: Path) -> None:
    dn = counts()
    safe = Safe({"VV": dn, "VH": dn // 2}).write(tmp_path)
    report = inspected(safe, calibration="gamma0")
    assert (report.height, report.width) == (HEIGHT, WIDTH)
    assert [band.name for band in report.bands] == ["VV", "VH"]
    assert {band.calibration for band in report.bands} == {"gamma0"}
    assert {band.format for band in report.bands} == {"Sentinel-1 product (SAFE)"}
    assert (report.unit, report.unit_source) == ("intensity", "product")
    assert report.placement.gcps > 3
    assert report.name.startswith(GRD)


def test_a_warped_scene_tells_the_grid_it_is_read_on(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", speckle(90, 90), tags=TAGGED, **UTM)
    report = inspected(path, resolution=30.0)
    assert report.pixel_size == pytest.approx(30.0)
    assert (report.height, report.width) == (60, 31)  # lines at multiples of 30 m
    assert report.bands[0].dtype == "float32"


def test_remote_scenes_are_sampled(tmp_path: Path) -> None:
    values = speckle(3000, 3000)
    blocks = {"tiled": True, "blockxsize": 128, "blockysize": 128}
    path = write_raster(tmp_path / "vv.tif", values, tags=TAGGED, nodata=-1.0, **blocks)
    with serving(b"", files={"vv.tif": path.read_bytes()}) as server:
        report = inspected(server.url("vv.tif"))
        assert report.sampled
        assert server.sent < 0.7 * values.nbytes
    (band,) = report.bands
    assert band.valid == 1.0
    assert band.statistics is not None
    assert band.statistics.mean == pytest.approx(-10.0, abs=0.1)


@pytest.mark.parametrize(
    "files",
    [
        ["scenes/s1_iw_gcps_vv.tif", "scenes/s1_iw_gcps_vh.tif"],
        ["scenes/s1_sm_gcps_vh.tif"],
        ["scenes/s1_gamma0_vv_utm.tif"],
        ["scenes/s1_vv_db_utm.tif"],
        ["scenes/s1_vv_db_wgs84.tif", "scenes/s1_vh_db_wgs84.tif"],
        ["flevoland/scene.tif"],
    ],
    ids=lambda files: files[0],
)
def test_real_scenes(real_data: Path, files: list[str]) -> None:
    paths = [real_data / file for file in files]
    report = inspected(*paths)
    assert report.warnings or report.unit_source != "guess"
    assert bool(report.placement.gcps) == ("gcps" in files[0])
    with rasterio.open(paths[0]) as dataset:
        values = dataset.read(1).astype(np.float64)
        data = dataset.read_masks(1).astype(bool) & (values != 0) & np.isfinite(values)
    statistics = report.bands[0].statistics
    assert statistics is not None
    if report.unit == "db":
        values = 10 ** (values / 10)
    elif report.unit == "amplitude":
        values = values**2
    assert statistics.mean == pytest.approx(10 * np.log10(values[data].mean()), abs=0.02)
    # a few dark pixels of the border are taken for noise, and digital numbers are whole
    assert statistics.median == pytest.approx(10 * np.log10(np.median(values[data])), abs=0.1)
