import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.features import rasterize
from rasterio.transform import from_origin
from scipy import ndimage

from sarseg.errors import InputError, OutputError, UsageError
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import to_map
from sarseg.vectors import polygonise
from sarseg.vectors.measures import Measure
from sarseg.vectors.vectorize import VectorizeSettings, VectorizeSummary, vectorize
from tests.georeferences import HEIGHT, WIDTH, gcp_georeference
from tests.scenes.test_pixel_size import georeference, pixel_areas
from tests.vectors.maps import DEGREES, POLAR, UTM, blocky, write_map

NAMES = {0: "Water", 1: "forest", 2: "wheat"}
FIELDS = ["class_id", "class_name", "area_ha", "perimeter_m", "pixels"]
EXTENSIONS = ["gpkg", "parquet", "fgb", "shp"]
PLACES = pytest.mark.parametrize("place", [UTM, DEGREES, POLAR], ids=["utm", "degrees", "polar"])
# the same ground as UTM in degrees: pixels of 20 m
DEGREES_LIKE_UTM = {
    "crs": "EPSG:4326",
    "transform": from_origin(4.5, 43.6, 20 / 80_736, 20 / 111_100),
}


def read(path: Path, layer: str = "landcover") -> geopandas.GeoDataFrame:
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path)
    return geopandas.read_file(path, layer=layer if path.suffix == ".gpkg" else None)


def burnt(frame: geopandas.GeoDataFrame, shape: tuple[int, int], transform: Any) -> NDArray[Any]:
    pairs = zip(frame.geometry, frame["class_id"], strict=True)
    grid = {"out_shape": shape, "transform": transform}
    return np.asarray(rasterize(pairs, fill=255, dtype=np.uint8, **grid))


def landscape(side: int, classes: int = 5, sigma: float = 5, seed: int = 0) -> NDArray[np.uint8]:
    """Winding borders, as maps have them, with some pixels without a class."""
    noise = np.random.default_rng(seed).standard_normal((classes + 1, side, side))
    smooth = ndimage.gaussian_filter(noise, (0, sigma, sigma))
    found = smooth[:-1].argmax(axis=0).astype(np.uint8)
    return np.where(smooth[-1] > 2.5 * smooth[-1].std(), np.uint8(255), found)


def vectorized(
    landcover: Path, output: Path | None = None, **settings: Any
) -> tuple[geopandas.GeoDataFrame, VectorizeSummary]:
    """The polygons of a GeoPackage, or of ``output``."""
    output = output or landcover.with_suffix(".gpkg")
    summary = vectorize(landcover, output, VectorizeSettings(**settings), overwrite=True)
    return read(output), summary


def area(frame: geopandas.GeoDataFrame) -> float:
    """In units of the CRS, degrees too."""
    return float(shapely.area(frame.geometry).sum())


def vertices(frame: geopandas.GeoDataFrame) -> int:
    return int(shapely.get_num_coordinates(frame.geometry).sum())


@pytest.mark.parametrize("extension", EXTENSIONS)
@PLACES
def test_the_file_holds_the_map(tmp_path: Path, extension: str, place: dict[str, Any]) -> None:
    classes = blocky(70, 50)
    classes[20:40, 10:30] = 255
    landcover = write_map(tmp_path / "map.tif", classes, names=NAMES, **place)
    frame, summary = vectorized(landcover, tmp_path / f"polygons.{extension}")

    assert frame.crs == place["crs"]
    if extension != "shp":  # which shortens names
        assert list(frame.columns) == [*FIELDS, "geometry"]
    assert frame["class_id"].dtype.kind == "i"
    assert frame["area_ha"].dtype.kind == "f"
    assert frame.is_valid.all()
    assert (frame.geom_type == "Polygon").all()
    names = dict(zip(frame["class_id"], frame["class_name"], strict=True))
    assert names == {**NAMES, 3: "class 3"}
    np.testing.assert_array_equal(burnt(frame, classes.shape, place["transform"]), classes)

    components = [ndimage.label(classes == value)[1] for value in range(4)]
    assert np.bincount(frame["class_id"]).tolist() == components
    pixel = abs(place["transform"].determinant)
    planar = shapely.area(frame.geometry)
    np.testing.assert_allclose(planar, frame["pixels"] * pixel, rtol=1e-9)
    own = georeference(place, *classes.shape)
    areas = np.bincount(classes.ravel(), pixel_areas(own).ravel(), 256)[:4] / 1e4
    sums = frame.groupby("class_id")["area_ha"].sum()
    np.testing.assert_allclose(sums, areas, rtol=1e-6)

    assert (summary.polygons, summary.crs, summary.gcp_order) == (len(frame), place["crs"], None)
    assert [total.class_name for total in summary.classes] == [*NAMES.values(), "class 3"]
    assert [total.polygons for total in summary.classes] == components
    assert [total.area_ha for total in summary.classes] == pytest.approx(areas, rel=1e-6)
    assert [total.pixels for total in summary.classes] == np.bincount(classes.ravel())[:4].tolist()


def test_the_confidence_is_that_of_the_map(tmp_path: Path) -> None:
    classes = blocky(30, 40)
    percent = np.random.default_rng(0).integers(20, 101, classes.shape, np.uint8)
    percent[:10, :10] = 255
    path = tmp_path / "map.tif"
    profile = {**UTM, "height": 30, "width": 40, "count": 3, "dtype": "uint8", "nodata": 255}
    with rasterio.open(path, "w", driver="GTiff", **profile) as dataset:
        dataset.write(np.stack([classes, np.zeros_like(classes), percent]))
        dataset.descriptions = ("class", "other", "confidence")
    frame, _ = vectorized(path)
    assert list(frame.columns) == [*FIELDS, "confidence_mean", "confidence_min", "geometry"]
    for row in frame.itertuples():
        inside = rasterize([row.geometry], out_shape=classes.shape, transform=UTM["transform"])
        known = percent[(inside == 1) & (percent <= 100)]
        assert np.isnan(row.confidence_mean) == (not known.size)
        if known.size:
            assert row.confidence_mean == pytest.approx(known.mean())
            assert row.confidence_min == known.min()
    assert frame["confidence_mean"].isna().any()


def test_a_band_that_holds_no_percentages_is_no_confidence(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    profile = {**UTM, "height": 9, "width": 9, "count": 2, "dtype": "int16"}
    with rasterio.open(path, "w", driver="GTiff", **profile) as dataset:
        dataset.write(np.stack([blocky(9, 9), np.full((9, 9), 990)]).astype(np.int16))
        dataset.descriptions = ("class", "confidence")
    frame, _ = vectorized(path)
    assert list(frame.columns) == [*FIELDS, "geometry"]


def test_ground_control_points_place_the_polygons(tmp_path: Path) -> None:
    place = gcp_georeference()
    classes = blocky(HEIGHT, WIDTH)
    landcover = write_map(tmp_path / "map.tif", classes, **place.profile())
    frame, summary = vectorized(landcover)
    assert (summary.crs, summary.gcp_order) == ("EPSG:4326", 2)
    assert frame.crs == "EPSG:4326"
    assert frame.is_valid.all()
    assert shapely.coverage_is_valid(frame.geometry.to_numpy())
    assert (frame["area_ha"] > 0).all()

    rng = np.random.default_rng(0)
    rows, cols = rng.integers(0, HEIGHT, 300), rng.integers(0, WIDTH, 300)
    points = shapely.points(to_map(np.column_stack([cols, rows]) + 0.5, place))
    found, polygon = frame.sindex.query(points, predicate="within")
    assert found.tolist() == list(range(300))
    np.testing.assert_array_equal(frame["class_id"].to_numpy()[polygon], classes[rows, cols])


@pytest.mark.parametrize("profile", [{}, {"transform": from_origin(100, 200, 2, 2)}])
@pytest.mark.parametrize("extension", ["gpkg", "parquet", "fgb", "shp"])
def test_without_crs_areas_are_null(
    tmp_path: Path, extension: str, profile: dict[str, Any]
) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(10, 20), **profile)
    frame, summary = vectorized(landcover, tmp_path / f"polygons.{extension}")
    assert frame.crs is None
    assert frame["area_ha"].isna().all()
    assert summary.crs is None
    assert {total.area_ha for total in summary.classes} == {None}
    assert sum(total.share for total in summary.classes) == pytest.approx(1)
    assert sum(total.pixels for total in summary.classes) == frame["pixels"].sum() == 200
    bounds = (100, 180, 140, 200) if profile else (0, 0, 20, 10)
    assert tuple(frame.total_bounds) == bounds


def test_a_crs_without_a_code_is_kept(tmp_path: Path) -> None:
    crs = rasterio.CRS.from_string("+proj=laea +lat_0=52 +lon_0=10 +ellps=GRS80 +units=m")
    grid = from_origin(0, 0, 10, 10)
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9), crs=crs, transform=grid)
    frame, _ = vectorized(landcover)
    assert frame.crs.coordinate_operation.method_name == "Lambert Azimuthal Equal Area"
    assert frame["area_ha"].sum() == pytest.approx(0.81)


@PLACES
def test_geojson_is_on_wgs84(tmp_path: Path, place: dict[str, Any]) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(20, 20), **place)
    frame, _ = vectorized(landcover)
    vectorize(landcover, tmp_path / "polygons.geojson")
    collection = json.loads((tmp_path / "polygons.geojson").read_text())
    assert "crs" not in collection
    found = geopandas.GeoDataFrame.from_features(collection["features"])
    np.testing.assert_allclose(
        found.total_bounds, frame.to_crs("EPSG:4326").total_bounds, rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(found["area_ha"], frame["area_ha"], rtol=1e-6)


def test_geojson_needs_a_crs(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9))
    with pytest.raises(UsageError, match=r"no CRS.*\.gpkg"):
        vectorize(landcover, tmp_path / "polygons.geojson")
    assert list(tmp_path.iterdir()) == [landcover]


@pytest.mark.parametrize("held", [0, 1000])
def test_batches_make_no_difference(
    tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(500, 100), **UTM)
    options: list[dict[str, Any]] = [
        {},
        {"smooth": True},
        {"select": ("1", "2")},
        {"dissolve": True},
    ]

    def found() -> list[list[tuple[Any, ...]]]:
        return [
            sorted(
                zip(
                    shapely.to_wkt(shapely.normalize(frame.geometry), rounding_precision=3),
                    frame["pixels"],
                    frame["area_ha"].round(9),
                    strict=True,
                )
            )
            for frame in (vectorized(landcover, **each)[0] for each in options)
        ]

    expected = found()
    monkeypatch.setattr(polygonise, "_HELD", held)
    monkeypatch.setattr(polygonise, "BATCH", 50)
    assert found() == expected


def test_batches_are_simplified_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landcover = write_map(tmp_path / "map.tif", landscape(200), **UTM)
    at_once, _ = vectorized(landcover, simplify=Measure(1, "pixels"))
    monkeypatch.setattr(polygonise, "_HELD", 0)
    monkeypatch.setattr(polygonise, "BATCH", 50)
    frame, _ = vectorized(landcover, simplify=Measure(1, "pixels"))
    assert shapely.coverage_is_valid(frame.geometry.to_numpy())
    assert sorted(frame["pixels"]) == sorted(at_once["pixels"])
    # of triangles of one size the first goes first: which, the order of polygons decides
    assert vertices(frame) == pytest.approx(vertices(at_once), rel=0.01)


@PLACES
@pytest.mark.parametrize("smooth", [False, True])
def test_simplified_at_one_pixel(tmp_path: Path, place: dict[str, Any], smooth: bool) -> None:
    classes = landscape(400)
    landcover = write_map(tmp_path / "map.tif", classes, **place)
    whole, _ = vectorized(landcover, min_area=Measure(5, "pixels"))
    simple, _ = vectorized(
        landcover, min_area=Measure(5, "pixels"), simplify=Measure(1, "pixels"), smooth=smooth
    )
    assert shapely.coverage_is_valid(whole.geometry.to_numpy())
    assert shapely.coverage_is_valid(simple.geometry.to_numpy())
    assert simple.is_valid.all()
    assert vertices(simple) <= vertices(whole) / 2
    assert len(simple) == len(whole)
    assert simple["class_id"].tolist() == whole["class_id"].tolist()
    assert area(simple) == pytest.approx(area(whole), rel=1e-6)
    for class_id in range(5):
        own = [frame[frame["class_id"] == class_id] for frame in (simple, whole)]
        assert area(own[0]) == pytest.approx(area(own[1]), rel=0.05)
    # sizes tell of the pixels, so that they do not change with the lines that are drawn
    assert simple["area_ha"].tolist() == whole["area_ha"].tolist()


@pytest.mark.parametrize("text", ["20m", "35m", "0.1km"])
def test_a_tolerance_in_metres_means_the_same_in_degrees(tmp_path: Path, text: str) -> None:
    classes = landscape(300)
    simplify = Measure.of_length(text)
    counts = []
    for name, place in [("utm", UTM), ("degrees", DEGREES_LIKE_UTM)]:
        landcover = write_map(tmp_path / f"{name}.tif", classes, **place)
        counts.append(vertices(vectorized(landcover, simplify=simplify)[0]))
    pixels = Measure(simplify.value / 20, "pixels")
    counts.append(vertices(vectorized(tmp_path / "utm.tif", simplify=pixels)[0]))
    assert counts == pytest.approx([counts[2]] * 3, rel=0.02)
    assert counts[0] < vertices(vectorized(tmp_path / "utm.tif")[0]) / 2


def test_smooth_outlines_keep_the_coverage(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", landscape(150), **UTM)
    plain, _ = vectorized(landcover)
    smooth, _ = vectorized(landcover, smooth=True)
    assert smooth.is_valid.all()
    assert shapely.coverage_is_valid(smooth.geometry.to_numpy())
    assert len(smooth) == len(plain)
    assert area(smooth) == pytest.approx(area(plain), rel=1e-9)
    assert (smooth["perimeter_m"] <= plain["perimeter_m"] * (1 + 1e-9)).all()
    assert smooth["perimeter_m"].sum() < 0.9 * plain["perimeter_m"].sum()


@pytest.mark.parametrize(
    ("place", "minimum"),
    [
        (UTM, "0.4ha"),
        (UTM, "4000m2"),
        (UTM, "10px"),
        (DEGREES_LIKE_UTM, "0.4ha"),
        ({}, "10px"),
    ],
)
def test_regions_below_the_minimum_go(tmp_path: Path, place: dict[str, Any], minimum: str) -> None:
    noise = np.random.default_rng(0).standard_normal((4, 80, 90))
    classes = ndimage.gaussian_filter(noise, (0, 1.5, 1.5)).argmax(axis=0).astype(np.uint8)
    landcover = write_map(tmp_path / "map.tif", classes, **place)
    raw, _ = vectorized(landcover)
    assert set(range(1, 13)) <= set(raw["pixels"])
    frame, _ = vectorized(landcover, min_area=Measure.of_area(minimum))
    # of 20 m x 20 m, scaled by the projection: ten pixels may fall just short of 0.4 ha
    assert 10 <= frame["pixels"].min() <= 12
    assert frame["pixels"].sum() == classes.size
    if place:
        assert frame["area_ha"].min() >= (0.4 if "px" not in minimum else 0.39)
        assert frame["area_ha"].sum() == pytest.approx(raw["area_ha"].sum(), rel=1e-9)


def test_slivers_go_by_the_rule(tmp_path: Path) -> None:
    # the 5 has more border with the 1, the 2 covers more
    classes = np.array([[1, 1, 1, 2, 2], [1, 5, 2, 2, 2], [1, 1, 2, 2, 2]], np.uint8)
    landcover = write_map(tmp_path / "map.tif", classes)
    for rule, expected in (("border", [7, 8]), ("area", [6, 9])):
        frame, _ = vectorized(landcover, min_area=Measure(2, "pixels"), rule=rule)
        assert frame["class_id"].tolist() == [1, 2]
        assert frame["pixels"].tolist() == expected


def test_the_majority_comes_before_all_else(tmp_path: Path) -> None:
    classes = np.zeros((9, 9), np.uint8)
    classes[4, 4] = 7
    classes[0, 0] = 255
    landcover = write_map(tmp_path / "map.tif", classes, **UTM)
    assert vectorized(landcover)[0]["class_id"].tolist() == [0, 7]
    frame, _ = vectorized(landcover, majority=3)
    assert frame["class_id"].tolist() == [0]
    assert frame["pixels"].tolist() == [80]


@pytest.mark.parametrize("select", [("0", "2"), ("water", "WHEAT"), ("wheat", "0", "water")])
def test_classes_are_selected_by_id_or_name(tmp_path: Path, select: Sequence[str]) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(30, 30), names=NAMES, **UTM)
    whole, _ = vectorized(landcover)
    frame, summary = vectorized(landcover, select=tuple(select))
    expected = whole[whole["class_id"].isin([0, 2])].reset_index(drop=True)
    assert frame.equals(expected)
    assert [total.class_id for total in summary.classes] == [0, 2]
    assert sum(total.share for total in summary.classes) == pytest.approx(1)


def test_selected_classes_are_simplified_as_all(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", landscape(120), **UTM)
    whole, _ = vectorized(landcover, simplify=Measure(1, "pixels"))
    frame, _ = vectorized(landcover, simplify=Measure(1, "pixels"), select=("3",))
    assert frame.equals(whole[whole["class_id"] == 3].reset_index(drop=True))


def test_unknown_classes_are_refused(tmp_path: Path) -> None:
    named = write_map(tmp_path / "named.tif", blocky(9, 9), names=NAMES)
    nameless = write_map(tmp_path / "nameless.tif", blocky(9, 9))
    with pytest.raises(UsageError, match="no class 'lake': it has 0 Water, 1 forest, 2 wheat"):
        vectorized(named, select=("lake",))
    with pytest.raises(UsageError, match="no class 'lake': it names none, so give numbers"):
        vectorized(nameless, select=("lake",))
    for class_id in ("77", "9" * 30):
        with pytest.raises(InputError, match=rf"no pixel of the classes .*\({class_id}\)"):
            vectorized(named, select=(class_id,))
    assert {path.suffix for path in tmp_path.iterdir()} == {".tif"}


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_dissolved_are_one_a_class(tmp_path: Path, extension: str) -> None:
    classes = blocky(40, 40)
    landcover = write_map(tmp_path / "map.tif", classes, names=NAMES, **UTM)
    parts, _ = vectorized(landcover)
    frame, summary = vectorized(landcover, tmp_path / f"polygons.{extension}", dissolve=True)
    assert frame["class_id"].tolist() == [0, 1, 2, 3]
    assert frame.is_valid.all()
    assert summary.polygons == 4
    np.testing.assert_array_equal(burnt(frame, classes.shape, UTM["transform"]), classes)
    np.testing.assert_allclose(shapely.area(frame.geometry), frame["pixels"] * 400, rtol=1e-9)
    for place, name in enumerate(FIELDS[2:], 2):  # a Shapefile shortens names
        np.testing.assert_allclose(frame.iloc[:, place], parts.groupby("class_id")[name].sum())


def test_ids_beyond_sarsegs_own_maps_are_classes_too(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", np.array([[10, 95, 4000]], np.uint16), nodata=0)
    _, summary = vectorized(landcover)
    assert [each.class_name for each in summary.classes] == ["class 10", "class 95", "class 4000"]


def test_layers_of_a_geopackage(tmp_path: Path) -> None:
    one = write_map(tmp_path / "one.tif", blocky(9, 9), **UTM)
    other = write_map(tmp_path / "other.tif", blocky(20, 20, seed=1), **DEGREES)
    output = tmp_path / "maps.gpkg"
    vectorize(one, output)
    first = read(output, "landcover")
    vectorize(other, output, layer="July 2024", append=True)
    layers = pyogrio.list_layers(output)[:, 0].tolist()
    assert [name for name in layers if name != "layer_styles"] == ["landcover", "July 2024"]
    assert read(output, "landcover").equals(first)
    assert read(output, "July 2024").crs == "EPSG:4326"
    before = output.read_bytes()
    with pytest.raises(OutputError, match="has a layer July 2024 already"):
        vectorize(one, output, layer="July 2024", append=True)
    assert output.read_bytes() == before
    vectorize(one, output, layer="July 2024", append=True, overwrite=True)
    assert read(output, "July 2024").equals(first)


@pytest.mark.parametrize("extension", [*EXTENSIONS, "geojson"])
def test_existing_outputs_are_replaced_only_on_request(tmp_path: Path, extension: str) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9), **UTM)
    output = tmp_path / f"polygons.{extension}"
    output.write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        vectorize(landcover, output)
    assert output.read_text() == "precious"
    vectorize(landcover, output, overwrite=True)
    assert len(read(output)) > 0


def test_the_map_is_not_replaced_by_its_polygons(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9)).rename(tmp_path / "map.gpkg")
    before = landcover.read_bytes()
    with pytest.raises(OutputError, match="also an input"):
        vectorize(landcover, landcover, overwrite=True)
    assert landcover.read_bytes() == before


@pytest.mark.parametrize("name", ["polygons.kml", "polygons", "polygons.gpkg.zip", "polygons.csv"])
def test_unknown_formats_are_refused(tmp_path: Path, name: str) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9), **UTM)
    with pytest.raises(UsageError, match=r"\.gpkg, \.parquet"):
        vectorize(landcover, tmp_path / name)
    assert list(tmp_path.iterdir()) == [landcover]


@pytest.mark.parametrize(
    "settings", [{"min_area": Measure(5000, "metres")}, {"simplify": Measure(10, "metres")}]
)
def test_metres_need_a_crs(tmp_path: Path, settings: dict[str, Any]) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9))
    with pytest.raises(UsageError, match=r"no CRS: give --.* in pixels.*px"):
        vectorize(landcover, tmp_path / "polygons.gpkg", VectorizeSettings(**settings))
    assert list(tmp_path.iterdir()) == [landcover]


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([(0, 0), (9, 0)], "lie on one line or spot"),
        ([(0, 0), (5, 5), (9, 9)], "lie on one line or spot"),
        ([(x, y) for x in (0, 5, 9) for y in (0, 5, 9)], "fold it over itself"),
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


@pytest.mark.parametrize(
    ("settings", "classes", "message"),
    [
        ({}, np.full((300, 9), 255, np.uint8), "no pixel with a class, all are nodata"),
        ({"dissolve": True}, np.full((9, 9), 255, np.uint8), "no pixel with a class"),
        ({"simplify": Measure(1, "pixels")}, np.full((9, 9), 255, np.uint8), "no pixel with"),
        ({"min_area": Measure(9, "pixels")}, np.full((9, 9), 255, np.uint8), "no pixel with"),
        ({"majority": 3}, np.full((9, 9), 255, np.uint8), "no pixel with a class"),
        ({"dissolve": True, "select": ("9",)}, np.ones((9, 9), np.uint8), "no pixel of the"),
        ({}, np.ones((9, 9), np.float32), "float32 numbers and is no class raster"),
        ({}, np.full((9, 9), -3, np.int16), "holds the class -3"),
    ],
)
@pytest.mark.parametrize("extension", ["gpkg", "geojson"])
def test_what_gives_no_polygons_is_told(
    tmp_path: Path,
    extension: str,
    settings: dict[str, Any],
    classes: NDArray[Any],
    message: str,
) -> None:
    landcover = write_map(
        tmp_path / "map.tif", classes, nodata=255 if classes.dtype == np.uint8 else None, **UTM
    )
    with pytest.raises(InputError, match=message):
        vectorize(landcover, tmp_path / f"polygons.{extension}", VectorizeSettings(**settings))
    assert list(tmp_path.iterdir()) == [landcover]


def test_a_damaged_map_leaves_nothing_behind(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(900, 300), tiled=True, compress="deflate")
    content = landcover.read_bytes()
    landcover.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(InputError, match="may be damaged"):
        vectorize(landcover, tmp_path / "polygons.gpkg")
    assert list(tmp_path.iterdir()) == [landcover]


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("missing", [2, 0.3, 0.7])
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, extension: str, missing: float, file_size_limit: Any
) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(60, 60), **UTM)
    output = tmp_path / f"polygons.{extension}"
    vectorize(landcover, output, styled=False)
    size = output.stat().st_size
    for path in set(tmp_path.iterdir()) - {landcover}:
        path.unlink()
    file_size_limit(int(size - missing if missing >= 1 else size * missing))
    with pytest.raises(OutputError, match="could not be written"):
        vectorize(landcover, output, styled=False)
    assert list(tmp_path.iterdir()) == [landcover]


def test_repeated_runs_write_the_same_bytes(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(40, 40), **UTM)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        vectorize(landcover, tmp_path / name / "polygons.gpkg")
    one, two = (tmp_path / name / "polygons.gpkg" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_raster_on_one_line_of_the_map_is_refused(tmp_path: Path) -> None:
    transform = rasterio.Affine(1, 1, 5, 1, 1, 5)
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9), crs="EPSG:32631", transform=transform)
    with rasterio.open(landcover) as dataset:
        assert Georeference.of(dataset).transform == transform
    with pytest.raises(InputError, match="all pixels on one line"):
        vectorize(landcover, tmp_path / "polygons.gpkg")


def test_control_points_that_no_polynomial_leads_through_are_refused(tmp_path: Path) -> None:
    angles = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    points = [
        GroundControlPoint(
            row=50 + 40 * np.sin(a), col=50 + 40 * np.cos(a), x=7 + np.cos(a), y=50 + np.sin(a)
        )
        for a in angles
    ]
    landcover = write_map(tmp_path / "map.tif", blocky(99, 99), crs="EPSG:4326", gcps=points)
    with pytest.raises(InputError, match="6 ground control points"):
        vectorize(landcover, tmp_path / "polygons.gpkg")
    assert list(tmp_path.iterdir()) == [landcover]


def test_metres_where_pixels_have_no_size_are_refused(tmp_path: Path) -> None:
    disc = rasterio.CRS.from_string("+proj=geos +h=35785831 +lon_0=0 +sweep=y")
    landcover = write_map(
        tmp_path / "map.tif",
        blocky(50, 50),
        crs=disc,
        transform=from_origin(-5.6e6, 5.6e6, 2.24e5, 2.24e5),
    )
    settings = VectorizeSettings(min_area=Measure.of_area("5ha"))
    with pytest.raises(UsageError, match="does not give all pixels a size"):
        vectorize(landcover, tmp_path / "polygons.gpkg", settings)


def test_classes_by_names_that_several_have_or_none(tmp_path: Path) -> None:
    names = {0: "water", 1: "Water"}
    landcover = write_map(tmp_path / "map.tif", blocky(30, 30), names=names, **UTM)

    def ids(*select: str) -> list[int]:
        settings = VectorizeSettings(select=select)
        summary = vectorize(landcover, tmp_path / "polygons.gpkg", settings, overwrite=True)
        return [total.class_id for total in summary.classes]

    assert ids("WATER") == [0, 1]
    assert ids("class 3", "0") == [0, 3]


def test_long_edges_are_bent_on_the_way_to_longitude_and_latitude(tmp_path: Path) -> None:
    profile = {"crs": "EPSG:32631", "transform": from_origin(4e5, 6.9e6, 1000, 1000)}
    landcover = write_map(tmp_path / "map.tif", np.zeros((250, 250), np.uint8), **profile)
    vectorize(landcover, tmp_path / "polygons.geojson")
    vectorize(landcover, tmp_path / "polygons.gpkg")
    (bent,) = geopandas.read_file(tmp_path / "polygons.geojson").to_crs(32631).geometry
    (exact,) = read(tmp_path / "polygons.gpkg").geometry
    assert shapely.hausdorff_distance(bent, exact) < 20  # of an edge of 250 km
    assert len(exact.exterior.coords) == 5


def test_geojson_of_a_map_round_a_pole_is_refused(tmp_path: Path) -> None:
    profile = {"crs": "EPSG:3413", "transform": from_origin(-32_000, 32_000, 1000, 1000)}
    landcover = write_map(tmp_path / "map.tif", blocky(64, 64), **profile)
    with pytest.raises(UsageError, match=r"round a pole.*\.gpkg"):
        vectorize(landcover, tmp_path / "polygons.geojson")
    vectorize(landcover, tmp_path / "polygons.gpkg")
    beside = write_map(tmp_path / "beside.tif", blocky(64, 64), **POLAR)
    vectorize(beside, tmp_path / "polygons.geojson")
