import json
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.control import GroundControlPoint
from rasterio.features import rasterize
from rasterio.transform import from_origin

from sarseg.errors import InputError, OutputError, UsageError
from sarseg.scenes.ground import to_map
from sarseg.vectors.vectorize import vectorize
from tests.georeferences import HEIGHT, WIDTH, gcp_georeference
from tests.vectors.maps import DEGREES, POLAR, UTM, blocky, write_map

NAMES = {0: "water", 1: "forest", 2: "wheat"}
EXTENSIONS = ["gpkg", "geojson"]


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("profile", [UTM, DEGREES, POLAR], ids=["utm", "degrees", "polar"])
def test_the_file_holds_the_map(tmp_path: Path, extension: str, profile: dict[str, Any]) -> None:
    classes = blocky(70, 50)
    classes[20:40, 10:30] = 255
    landcover = write_map(tmp_path / "map.tif", classes, names=NAMES, **profile)
    output = tmp_path / f"polygons.{extension}"
    summary = vectorize(landcover, output)
    frame = geopandas.read_file(output)

    assert frame.crs == profile["crs"]
    assert list(frame.columns) == ["class_id", "class_name", "area_ha", "geometry"]
    assert frame["class_id"].dtype.kind == "i"
    assert frame["area_ha"].dtype.kind == "f"
    assert frame.is_valid.all()
    assert (frame.geom_type == "Polygon").all()
    names = dict(zip(frame["class_id"], frame["class_name"], strict=True))
    assert names == {**NAMES, 3: "class 3"}
    again = rasterize(
        zip(frame.geometry, frame["class_id"], strict=True),
        out_shape=classes.shape,
        transform=profile["transform"],
        fill=255,
        dtype=np.uint8,
    )
    np.testing.assert_array_equal(again, classes)
    pixel = abs(profile["transform"].a * profile["transform"].e)
    planar = {value: (classes == value).sum() * pixel for value in range(4)}
    found = frame["class_id"].to_numpy()
    sums = {value: shapely.area(frame.geometry)[found == value].sum() for value in planar}
    assert sums == pytest.approx(planar, rel=1e-9)

    assert summary.polygons == len(frame)
    assert summary.crs == profile["crs"]
    assert [total.name for total in summary.classes] == ["water", "forest", "wheat", "class 3"]
    areas = frame.groupby("class_id")["area_ha"].sum()
    assert [total.area_ha for total in summary.classes] == pytest.approx(list(areas))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.tif", output.name]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_ground_control_points_place_the_polygons(tmp_path: Path, extension: str) -> None:
    georeference = gcp_georeference()
    classes = blocky(HEIGHT, WIDTH)
    landcover = write_map(tmp_path / "map.tif", classes, **georeference.profile())
    output = tmp_path / f"polygons.{extension}"
    vectorize(landcover, output)
    frame = geopandas.read_file(output)
    assert frame.crs == "EPSG:4326"
    assert frame.is_valid.all()
    assert (frame["area_ha"] > 0).all()
    # Where three polygons meet on a bent edge, the one without a corner there is a little off.
    assert shapely.area(frame.union_all()) == pytest.approx(
        shapely.area(frame.geometry).sum(), rel=1e-5
    )

    rng = np.random.default_rng(0)
    rows, cols = rng.integers(0, HEIGHT, 300), rng.integers(0, WIDTH, 300)
    points = shapely.points(to_map(np.column_stack([cols, rows]) + 0.5, georeference))
    found, polygon = frame.sindex.query(points, predicate="within")
    assert found.tolist() == list(range(300))
    np.testing.assert_array_equal(frame["class_id"].to_numpy()[polygon], classes[rows, cols])


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("profile", [{}, {"transform": from_origin(100, 200, 2, 2)}])
def test_without_crs_areas_are_null(
    tmp_path: Path, extension: str, profile: dict[str, Any]
) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(10, 20), **profile)
    output = tmp_path / f"polygons.{extension}"
    summary = vectorize(landcover, output)
    frame = geopandas.read_file(output)
    assert frame["area_ha"].isna().all()
    assert summary.crs is None
    assert {total.area_ha for total in summary.classes} == {None}
    bounds = (100, 180, 140, 200) if profile else (0, 0, 20, 10)
    assert tuple(frame.total_bounds) == bounds
    if extension == "gpkg":  # GeoJSON has no way to say that there is none
        assert frame.crs is None
    else:
        features = json.loads(output.read_text())["features"]
        assert {feature["properties"]["area_ha"] for feature in features} == {None}


def test_crs_without_a_code_is_kept_by_geopackage_and_refused_for_geojson(tmp_path: Path) -> None:
    crs = rasterio.CRS.from_string("+proj=laea +lat_0=52 +lon_0=10 +ellps=GRS80 +units=m")
    landcover = write_map(
        tmp_path / "map.tif", blocky(9, 9), crs=crs, transform=from_origin(0, 0, 10, 10)
    )
    vectorize(landcover, tmp_path / "polygons.gpkg")
    frame = geopandas.read_file(tmp_path / "polygons.gpkg")
    assert frame.crs.coordinate_operation.method_name == "Lambert Azimuthal Equal Area"
    assert frame["area_ha"].sum() == pytest.approx(0.81)
    with pytest.raises(UsageError, match=r"polygons\.gpkg"):
        vectorize(landcover, tmp_path / "polygons.geojson")
    assert not (tmp_path / "polygons.geojson").exists()


@pytest.mark.parametrize(
    "crs",
    ["ESRI:102022", "+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80"],
)
def test_a_crs_that_geojson_would_lose_is_refused(tmp_path: Path, crs: str) -> None:
    landcover = write_map(
        tmp_path / "map.tif",
        blocky(9, 9),
        crs=rasterio.CRS.from_string(crs),
        transform=from_origin(0, 0, 10, 10),
    )
    with pytest.raises(UsageError, match="EPSG"):
        vectorize(landcover, tmp_path / "polygons.geojson")
    assert list(tmp_path.iterdir()) == [landcover]


def test_the_map_is_not_replaced_by_its_polygons(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9)).rename(tmp_path / "map.gpkg")
    before = landcover.read_bytes()
    with pytest.raises(OutputError, match="also an input"):
        vectorize(landcover, landcover, overwrite=True)
    assert landcover.read_bytes() == before


def test_ids_beyond_sarsegs_own_maps_are_classes_too(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", np.array([[10, 95, 4000]], np.uint16), nodata=0)
    summary = vectorize(landcover, tmp_path / "polygons.gpkg")
    assert [total.name for total in summary.classes] == ["class 10", "class 95", "class 4000"]


def test_layer_of_a_geopackage(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9), **UTM)
    vectorize(landcover, tmp_path / "default.gpkg")
    vectorize(landcover, tmp_path / "named.gpkg", layer="July 2024")
    assert pyogrio.list_layers(tmp_path / "default.gpkg")[:, 0].tolist() == ["landcover"]
    assert pyogrio.list_layers(tmp_path / "named.gpkg")[:, 0].tolist() == ["July 2024"]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_existing_outputs_are_replaced_only_on_request(tmp_path: Path, extension: str) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9), **UTM)
    output = tmp_path / f"polygons.{extension}"
    output.write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        vectorize(landcover, output)
    assert output.read_text() == "precious"
    vectorize(landcover, output, overwrite=True)
    assert len(geopandas.read_file(output)) > 0


@pytest.mark.parametrize("name", ["polygons.shp", "polygons", "polygons.gpkg.zip"])
def test_unknown_formats_are_refused(tmp_path: Path, name: str) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9), **UTM)
    with pytest.raises(UsageError, match=r"\.gpkg, \.geojson, \.json"):
        vectorize(landcover, tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([(0, 0), (9, 0)], "do not tell where"),
        ([(0, 0), (5, 5), (9, 9)], "do not tell where"),
        ([(x, y) for x in (0, 5, 9) for y in (0, 5, 9)], "folds the raster"),
    ],
    ids=["two", "in-line", "folding"],
)
def test_useless_ground_control_points_are_refused(
    tmp_path: Path, positions: list[tuple[int, int]], message: str
) -> None:
    points = [
        GroundControlPoint(row=y, col=x, x=7 + (x - 4) ** 2 / 1e3 + x / 1e4, y=50 - y / 1e3, z=0.0)
        for x, y in positions
    ]
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9), crs="EPSG:4326", gcps=points)
    with pytest.raises(InputError, match=message):
        vectorize(landcover, tmp_path / "polygons.gpkg")
    assert list(tmp_path.iterdir()) == [landcover]


@pytest.fixture
def limit_file_size() -> Iterator[Callable[[int], None]]:
    """Files cannot grow beyond the given size: to GDAL this is a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("missing", [2, 6, 9000, 0.3, 0.7])
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, extension: str, missing: float, limit_file_size: Callable[[int], None]
) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(60, 60), **UTM)
    output = tmp_path / f"polygons.{extension}"
    vectorize(landcover, output)
    size = output.stat().st_size
    output.unlink()
    limit_file_size(int(size - missing if missing >= 1 else size * missing))
    with pytest.raises(OutputError, match="could not be written"):
        vectorize(landcover, output)
    assert list(tmp_path.iterdir()) == [landcover]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_repeated_runs_write_the_same_features(tmp_path: Path, extension: str) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(40, 40), **UTM)
    frames = []
    for name in ("one", "two"):
        output = tmp_path / f"{name}.{extension}"
        vectorize(landcover, output)
        frames.append(geopandas.read_file(output))
    assert frames[0].equals(frames[1])
