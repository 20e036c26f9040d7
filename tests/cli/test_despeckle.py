import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from sarseg.filters.despeckle import DESPECKLE_FILTERS, Lee
from sarseg.filters.despeckle.multitemporal import Quegan
from sarseg.filters.looks import scene_looks
from sarseg.scenes.reader import Scene
from tests.cli.running import Sarseg, interrupted
from tests.georeferences import gcp_georeference
from tests.rasters import hidden_files, speckle, write_raster

PLACE = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500_000, 0, -10, 5_700_000)}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    values = speckle(70, 90)
    values[:10] = np.nan
    return write_raster(tmp_path / "s_vv.tif", values, **PLACE)


def read(path: Path) -> Any:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


@pytest.mark.parametrize("name", DESPECKLE_FILTERS)
def test_every_filter_by_its_name(tmp_path: Path, sarseg: Sarseg, scene: Path, name: str) -> None:
    output = tmp_path / "o.tif"
    run = sarseg("despeckle", scene, "-o", output, "--filter", name, "--looks", 2.5, "--json")
    assert run.code == 0, run.stderr
    (made,) = json.loads(run.stdout)["scenes"]
    assert (made["filter"]["name"], made["filter"]["looks"]) == (name, 2.5)
    values = read(scene)
    valid = np.isfinite(values)
    expected = DESPECKLE_FILTERS[name](looks=2.5)(values[None], valid)[0]
    np.testing.assert_array_equal(np.isnan(read(output)), ~valid)
    np.testing.assert_allclose(read(output)[valid], expected[valid], rtol=1e-6)


def test_looks_are_estimated_and_told(tmp_path: Path, sarseg: Sarseg, scene: Path) -> None:
    run = sarseg("despeckle", scene, "-o", tmp_path / "o.tif", "--json")
    assert run.code == 0, run.stderr
    with Scene.open([scene]) as opened:
        looks = scene_looks(opened)
    assert "s_vv.tif: VV, read as intensity (guessed), 70 x 90 pixels." in run.stderr
    assert f"number of looks, estimated from the scene: {looks:.1f}." in run.stderr
    assert f"Wrote {tmp_path / 'o.tif'}: intensity, 85.7%" in run.stderr
    (made,) = json.loads(run.stdout)["scenes"]
    assert made["filter"]["name"] == "refined-lee"
    assert made["filter"]["looks"] == pytest.approx(looks)
    assert made["scene"] == [str(scene)]


def test_settings(tmp_path: Path, sarseg: Sarseg, scene: Path) -> None:
    options = ["--filter", "frost", "--looks", 1, "--size", 5, "--set", "damping=1.5"]
    run = sarseg("despeckle", scene, "-o", tmp_path / "o.tif", *options, "--json", "--quiet")
    assert (run.code, run.stderr) == (0, "")
    (made,) = json.loads(run.stdout)["scenes"]
    assert made["filter"] == {"name": "frost", "size": 5, "looks": 1.0, "damping": 1.5}
    with rasterio.open(tmp_path / "o.tif") as dataset:
        assert json.loads(dataset.tags()["SARSEG_FILTER"]) == made["filter"]


def test_digital_numbers_with_ground_control_points_and_an_angle(
    tmp_path: Path, sarseg: Sarseg
) -> None:
    grid = gcp_georeference()
    amplitude = (np.sqrt(speckle(grid.height, grid.width)) * 300 + 1).astype(np.uint16)
    amplitude[:50, :40] = 65535
    angle = np.full(amplitude.shape, 35, np.uint16)
    path = write_raster(
        tmp_path / "s.tif",
        np.stack([amplitude, angle]),
        nodata=65535,
        gcps=list(grid.gcps),
        crs=grid.gcp_crs,
    )
    options = ["--bands", "VV,incidence_angle", "--filter", "lee", "--looks", 1]
    run = sarseg("despeckle", path, "-o", tmp_path / "o.tif", *options)
    assert run.code == 0, run.stderr
    assert "VV + incidence_angle, read as amplitude (guessed)" in run.stderr
    with Scene.open([tmp_path / "o.tif"]) as smooth:
        assert smooth.georeference.difference(grid) is None
        assert (smooth.unit, smooth.unit_source) == ("amplitude", "tag")
    with rasterio.open(tmp_path / "o.tif") as dataset:
        found = dataset.read()
        assert dataset.descriptions == ("VV", "incidence_angle")
    intensity = amplitude.astype(np.float32) ** 2
    expected = np.sqrt(Lee(looks=1.0)(intensity[None], amplitude < 65535)[0])
    expected[amplitude == 65535] = np.nan
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(found[1], angle)


def test_decibels_stay_decibels(tmp_path: Path, sarseg: Sarseg) -> None:
    decibels = (10 * np.log10(speckle(40, 50))).astype(np.float32)
    path = write_raster(tmp_path / "s_vv.tif", decibels, **PLACE)
    run = sarseg("despeckle", path, "-o", tmp_path / "o.tif", "--filter", "lee", "--looks", 1)
    assert run.code == 0, run.stderr
    intensity = (10 ** (decibels.astype(np.float64) / 10)).astype(np.float32)
    expected = 10 * np.log10(Lee(looks=1.0)(intensity[None], np.ones(decibels.shape, bool))[0])
    np.testing.assert_allclose(read(tmp_path / "o.tif"), expected, atol=1e-4)


def test_scenes_from_stdin_to_a_folder_and_one_that_fails(
    tmp_path: Path, sarseg: Sarseg, scene: Path
) -> None:
    vv, vh = (write_raster(tmp_path / f"b_{name}.tif", speckle(20, 30)) for name in ("vv", "vh"))
    flat = write_raster(tmp_path / "flat_vv.tif", np.ones((20, 30), np.float32))
    run = sarseg(
        "despeckle", "-", "--output-dir", tmp_path, "--json", stdin=f"{flat}\n{scene}\n{vv},{vh}\n"
    )  # fmt: skip
    assert run.code == 3
    assert "flat_vv.tif" in run.stderr
    assert "--looks" in run.stderr
    result = json.loads(run.stdout)
    assert [each["bands"] for each in result["scenes"]] == [["VV"], ["VV", "VH"]]
    assert [failed["scene"] for failed in result["failed"]] == [[str(flat)]]
    made = {"s_vv_despeckled.tif", "b_vv_despeckled.tif"}
    assert {path.name for path in tmp_path.glob("*_despeckled.tif")} == made


def test_dates_of_one_place_together(tmp_path: Path, sarseg: Sarseg) -> None:
    out = tmp_path / "out"
    out.mkdir()
    dates = np.stack([[speckle(30, 40, seed=2 * n + k) for k in range(2)] for n in range(3)])
    dates[1, 0, :5, :5] = np.nan
    scenes = []
    for number, date in enumerate(dates):
        names = [tmp_path / f"d{number}_{name}.tif" for name in ("vv", "vh")]
        for name, band in zip(names, date, strict=True):
            write_raster(name, band, **PLACE)
        scenes.append(",".join(map(str, names)))
    arguments = [*scenes, "--filter", "quegan", "--size", 5, "--output-dir", out, "--json"]
    run = sarseg("despeckle", *arguments)
    assert run.code == 0, run.stderr
    result = json.loads(run.stdout)
    assert [len(each["scene"]) for each in result["scenes"]] == [2, 2, 2]
    assert result["scenes"][0]["filter"] == {"name": "quegan", "size": 5}
    assert run.stderr.count("Wrote ") == 3
    for place in range(2):
        stack, valid = dates[:, place : place + 1], np.isfinite(dates[:, place])
        expected = Quegan(size=5)(stack, valid)[:, 0]
        for number, date in enumerate(expected):
            with rasterio.open(out / f"d{number}_vv_despeckled.tif") as dataset:
                found = dataset.read(place + 1)
            np.testing.assert_allclose(found, date, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["s_vv.tif", "-o", "o.tif", "--filter", "leee"], 2, "did you mean 'lee'?"),
        (["s_vv.tif", "-o", "o.tif", "--filter", "median"], 2, "gamma-map, frost"),
        (["s_vv.tif", "-o", "o.tif", "--filter", "none"], 2, "name a filter"),
        (["s_vv.tif", "-o", "o.tif", "--size", "4", "--filter", "lee"], 2, "odd"),
        (["s_vv.tif", "-o", "o.tif", "--looks", "many"], 2, "--looks many"),
        (["s_vv.tif", "-o", "o.tif", "--looks", "0"], 2, "--looks 0"),
        (["s_vv.tif", "-o", "o.tif", "--looks", "nan"], 2, "--looks nan"),
        (["s_vv.tif", "-o", "o.tif", "--set", "looks=3"], 2, "no setting 'looks'"),
        (["s_vv.tif", "-o", "o.tif", "--set", "3"], 2, "NAME=VALUE"),
        (
            ["s_vv.tif", "-o", "o.tif", "--filter", "frost", "--set", "dampin=3"],
            2,
            "did you mean 'damping'?",
        ),
        (
            ["s_vv.tif", "-o", "o.tif", "--filter", "frost", "--set", "damping=-3"],
            2,
            "The setting damping of the speckle filter frost is -3",
        ),
        (["s_vv.tif", "-o", "o.tif", "--filter", "quegan"], 2, "two scenes or more"),
        (["s_vv.tif", "--output-dir", ".", "--filter", "quegan"], 2, "two scenes or more"),
        (
            ["s_vv.tif", "t_vv.tif", "--output-dir", ".", "--filter", "quegan", "--looks", "4"],
            2,
            "leave --looks out",
        ),
        (
            ["s_vv.tif", "t_vv.tif", "--output-dir", ".", "--filter", "quegan", "--set", "patch=3"],
            2,
            "no setting 'patch'",
        ),
        (
            ["s_vv.tif", "t_vv.tif", "--output-dir", ".", "--filter", "quegan"],
            3,
            "t_vv.tif does not lie on the grid of s_vv.tif",
        ),
        (["empty_vv.tif", "-o", "o.tif", "--looks", "4"], 3, "no valid pixel"),
        (["empty_vv.tif", "-o", "o.tif"], 3, "--looks"),
        (["gone.tif", "-o", "o.tif"], 3, "gone.tif does not exist"),
        (["s_vv.tif", "-o", "s_vv.tif", "--overwrite"], 4, "also an input"),
        (["s_vv.tif", "-o", "there.tif"], 4, "--overwrite"),
        (["s_vv.tif", "-o", "no/o.tif"], 4, "does not exist"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sarseg: Sarseg,
    scene: Path,
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.tif").write_text("old")
    write_raster(tmp_path / "empty_vv.tif", np.full((20, 30), np.nan, np.float32))
    write_raster(tmp_path / "t_vv.tif", speckle(20, 30))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    run = sarseg("despeckle", *arguments)
    assert (run.code, run.stdout) == (code, ""), run.stderr
    assert told in run.stderr
    assert "Traceback" not in run.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_interrupted_it_leaves_no_date_behind(tmp_path: Path) -> None:
    paths = [
        write_raster(tmp_path / f"d{n}_vv.tif", speckle(4000, 2000), nodata=-1.0) for n in range(2)
    ]
    arguments = [*paths, "--output-dir", tmp_path, "--filter", "quegan"]
    run = interrupted(tmp_path, signal.SIGINT, "despeckle", *arguments)
    assert run.code == 130
    assert "Traceback" not in run.stderr
    assert hidden_files(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == {"d0_vv.tif", "d1_vv.tif"}


def test_a_real_scene_becomes_smooth_and_stays_where_it_is(
    tmp_path: Path, sarseg: Sarseg, real_data: Path
) -> None:
    path = real_data / "scenes" / "s1_iw_gcps_vv.tif"
    run = sarseg("despeckle", path, "-o", tmp_path / "o.tif")
    assert run.code == 0, run.stderr
    with Scene.open([path]) as before, Scene.open([tmp_path / "o.tif"]) as after:
        assert after.georeference.difference(before.georeference) is None
        assert (before.unit, after.unit) == ("amplitude", "amplitude")
        assert scene_looks(after) > 2 * scene_looks(before)
    with rasterio.open(path) as dataset:
        raw = dataset.read(1).astype(np.float64)
    smooth = read(tmp_path / "o.tif")
    valid = np.isfinite(smooth)
    assert (smooth[valid].astype(np.float64) ** 2).mean() == pytest.approx(
        (raw[valid] ** 2).mean(), rel=0.03
    )
