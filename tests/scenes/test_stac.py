import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from pystac import Item, MediaType
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from rasterio.crs import CRS
from rasterio.transform import Affine
from shapely.geometry import shape

from sarseg.errors import InputError, OutputError
from sarseg.scenes.acquisition import Acquisition
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.landcover import read_legend
from sarseg.scenes.opening import open_raster
from sarseg.scenes.stac import check_placed, write_item
from tests.georeferences import gcp_georeference
from tests.rasters import hidden_files, write_raster

START = datetime(2020, 1, 1, 5, 43, 21, tzinfo=UTC)
END = datetime(2020, 1, 1, 5, 43, 46, tzinfo=UTC)
INSTANT = Acquisition(START, START)
UTM = Georeference(40, 60, CRS.from_epsg(32633), Affine(10, 0, 500e3, 0, -10, 5500e3))
TAGS = {
    "SARSEG_VERSION": "0.9",
    "SARSEG_MODEL_SHA256": "ab" * 32,
    "SARSEG_SCENE": 'a "b" <c> & é',
    "AREA_OR_POINT": "Area",
}


def landcover(path: Path, georeference: Georeference = UTM, **names: str) -> Path:
    """A map with two bands and the classes ``names``, or 3 water and 7 forest."""
    profile = georeference.profile()
    values = np.full((2, profile.pop("height"), profile.pop("width")), 3, np.uint8)
    bands = ["class", "confidence"]
    write_raster(path, values, descriptions=bands, tags=TAGS, nodata=255, **profile)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(1, **(names or {"CLASS_3": "water", "CLASS_7": "forest"}))
        dataset.write_colormap(1, {3: (0, 10, 255, 255), 7: (0, 99, 0, 255)})
    return path


def item_of(path: Path, acquisition: Acquisition = INSTANT) -> Item:
    """The item of the map ``path``, read by pystac."""
    target = path.with_suffix(".json")
    write_item(target, path, acquisition, overwrite=True)
    item = Item.from_file(target)
    assert json.loads(target.read_text(encoding="utf-8")) == item.to_dict(
        include_self_link=False, transform_hrefs=False
    )
    return item


def classes_of(item: Item) -> list[dict[str, Any]]:
    bands: list[dict[str, Any]] = item.assets["landcover"].extra_fields["bands"]
    assert "classification:classes" not in bands[1]
    return list(bands[0]["classification:classes"])


def test_an_item_tells_of_its_map(tmp_path: Path) -> None:
    path = landcover(tmp_path / "scene.tif")
    item = item_of(path)
    assert item.id == "scene"
    assert (item.datetime, item.links[0].rel, len(item.links)) == (START, "self", 1)
    assert "start_datetime" not in item.properties
    (key,) = item.assets
    asset = item.assets[key]
    assert (key, asset.href) == ("landcover", "./scene.tif")
    assert asset.get_absolute_href() == str(path)
    assert (asset.media_type, asset.roles) == (MediaType.COG, ["data"])
    assert asset.extra_fields["data_type"] == "uint8"
    assert asset.extra_fields["nodata"] == 255
    assert [band["name"] for band in asset.extra_fields["bands"]] == ["class", "confidence"]
    file = FileExtension.ext(asset)
    assert file.checksum == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert file.size == path.stat().st_size


def test_classes_are_values_names_and_colours(tmp_path: Path) -> None:
    item = item_of(landcover(tmp_path / "m.tif"))
    assert ClassificationExtension.get_schema_uri() in item.stac_extensions
    assert classes_of(item) == [
        {"value": 3, "name": "water", "title": "water", "color_hint": "000AFF"},
        {"value": 7, "name": "forest", "title": "forest", "color_hint": "006300"},
        {"value": 255, "name": "nodata", "nodata": True},
    ]


def test_names_of_classes_are_made_identifiers(tmp_path: Path) -> None:
    titles = ["forêt & <b>", "foret_b", "森林", "nodata", 'a "b"']
    tags = {f"CLASS_{number}": title for number, title in enumerate(titles)}
    found = classes_of(item_of(landcover(tmp_path / "m.tif", **tags)))[:-1]
    assert [entry["title"] for entry in found] == titles
    assert [entry["name"] for entry in found] == [
        "foret_b",
        "foret_b_1",
        "class_2",
        "nodata_3",
        "a_b",
    ]


def test_provenance_is_that_of_the_tags(tmp_path: Path) -> None:
    item = item_of(landcover(tmp_path / "m.tif"))
    own = {key: value for key, value in item.properties.items() if key.startswith("sarseg:")}
    assert own == {
        "sarseg:version": "0.9",
        "sarseg:model_sha256": "ab" * 32,
        "sarseg:scene": 'a "b" <c> & é',
    }
    assert item.properties["processing:software"] == {"sarseg": "0.9"}


def test_a_span_of_time_has_start_and_end(tmp_path: Path) -> None:
    item = item_of(landcover(tmp_path / "m.tif"), Acquisition(START, END))
    assert item.datetime == START
    assert item.common_metadata.start_datetime == START
    assert item.common_metadata.end_datetime == END


def test_the_place_is_told_in_degrees_and_in_the_maps_crs(tmp_path: Path) -> None:
    item = item_of(landcover(tmp_path / "m.tif"))
    assert item.bbox == pytest.approx([15, 49.648, 15.0083, 49.652], abs=1e-3)
    assert shape(item.geometry).bounds == pytest.approx(item.bbox)
    projection = ProjectionExtension.ext(item)
    assert (projection.code, projection.wkt2) == ("EPSG:32633", None)
    assert projection.shape == [40, 60]
    assert projection.transform == [10, 0, 500e3, 0, -10, 5500e3]


def test_a_crs_without_a_code_is_spelt_out(tmp_path: Path) -> None:
    crs = CRS.from_proj4("+proj=laea +lat_0=12.5 +lon_0=17.25 +datum=WGS84")
    georeference = Georeference(40, 60, crs, Affine(10, 3, 0, 3, -10, 0))
    item = item_of(landcover(tmp_path / "m.tif", georeference))
    projection = ProjectionExtension.ext(item)
    assert projection.code is None
    assert projection.wkt2 is not None
    assert CRS.from_wkt(projection.wkt2) == crs
    assert projection.transform == [10, 3, 0, 3, -10, 0]
    assert item.bbox == pytest.approx([17.25, 12.4964, 17.2566, 12.5017], abs=1e-3)


def test_control_points_give_a_place_but_no_transform(tmp_path: Path) -> None:
    item = item_of(landcover(tmp_path / "m.tif", gcp_georeference()))
    projection = ProjectionExtension.ext(item)
    assert "proj:code" in item.properties  # null: the pixels have no CRS
    assert (projection.code, projection.transform, projection.shape) == (None, None, [200, 300])
    assert shape(item.geometry).intersects(shape({"type": "Point", "coordinates": [73.22, 30.38]}))


def test_a_map_across_the_antimeridian_is_in_two_pieces(tmp_path: Path) -> None:
    transform = Affine(0.1, 0, 178, 0, -0.1, 10)
    item = item_of(
        landcover(tmp_path / "m.tif", Georeference(40, 60, CRS.from_epsg(4326), transform))
    )
    assert shape(item.geometry).geom_type == "MultiPolygon"
    assert item.bbox == [178, 6, -176, 10]


def test_a_name_of_characters_that_mean_something_elsewhere(tmp_path: Path) -> None:
    name = 'a & "b" <c> #1 100% é?'
    path = landcover(tmp_path / f"{name}.tif")
    target = tmp_path / "m.json"
    write_item(target, path, INSTANT, overwrite=False)
    item = Item.from_file(target)
    assert item.id == name
    href = item.assets["landcover"].href
    assert href == "./a%20&%20%22b%22%20%3Cc%3E%20%231%20100%25%20é%3F.tif"
    assert unquote(href) == f"./{name}.tif"


def test_an_item_in_another_folder_leads_to_the_map(tmp_path: Path) -> None:
    path = landcover(tmp_path / "m.tif")
    (tmp_path / "items").mkdir()
    write_item(tmp_path / "items" / "m.json", path, INSTANT, overwrite=False)
    item = Item.from_file(tmp_path / "items" / "m.json")
    assert item.assets["landcover"].get_absolute_href() == str(path)


def test_equal_maps_have_equal_items(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        item_of(landcover(tmp_path / folder / "m.tif"))
    one, other = ((tmp_path / folder / "m.json").read_bytes() for folder in ("a", "b"))
    assert one == other


@given(st.dictionaries(st.integers(0, 254), st.text(min_size=1, max_size=12), max_size=8))
def test_every_class_has_a_name_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, names: dict[int, str]
) -> None:
    legal = {key: name for key, name in names.items() if name.isprintable()}
    path = landcover(
        tmp_path_factory.mktemp("map") / "m.tif", **{f"CLASS_{key}": n for key, n in legal.items()}
    )
    found = classes_of(item_of(path))
    with open_raster(str(path)) as dataset:
        legend = read_legend(dataset)
    assert [(each["value"], each["title"]) for each in found[:-1]] == [
        (entry.id, entry.name) for entry in legend
    ]
    identifiers = [each["name"] for each in found]
    assert len(set(identifiers)) == len(identifiers)
    assert all(each.isascii() and not set(each) & set(" .,/") for each in identifiers)


def test_a_map_without_a_place_has_no_item(tmp_path: Path) -> None:
    nowhere = Georeference(40, 60, None, None)
    path = landcover(tmp_path / "m.tif", nowhere)
    with pytest.raises(InputError, match=r"m\.tif has no place on the ground.*--stac"):
        write_item(tmp_path / "m.json", path, INSTANT, overwrite=False)
    assert not (tmp_path / "m.json").exists()
    with pytest.raises(InputError, match=r"^s\.tif has no place on the ground"):
        check_placed(nowhere, "s.tif")
    check_placed(UTM, "s.tif")
    check_placed(gcp_georeference(), "s.tif")


def test_what_was_there_stays_unless_it_may_be_replaced(tmp_path: Path) -> None:
    path, target = landcover(tmp_path / "m.tif"), tmp_path / "m.json"
    target.write_text("mine")
    with pytest.raises(OutputError, match=r"m\.json exists; give --overwrite"):
        write_item(target, path, INSTANT, overwrite=False)
    path.write_bytes(b"no raster")
    with pytest.raises(InputError, match=r"m\.tif"):
        write_item(target, path, INSTANT, overwrite=True)
    assert target.read_text() == "mine"
    assert hidden_files(tmp_path) == []


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, file_size_limit: Any) -> None:
    path, target = landcover(tmp_path / "m.tif"), tmp_path / "m.json"
    target.write_text("mine")
    file_size_limit(1000)
    with pytest.raises(OutputError, match=r"m\.json could not be written"):
        write_item(target, path, INSTANT, overwrite=True)
    assert target.read_text() == "mine"
    assert hidden_files(tmp_path) == []


def test_no_item_takes_the_place_of_its_map(tmp_path: Path) -> None:
    path = landcover(tmp_path / "m.tif")
    with pytest.raises(OutputError, match=r"is also an input"):
        write_item(path, path, INSTANT, overwrite=True)
