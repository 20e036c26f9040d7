"""What is counted of a map, against counting it all at once."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.errors import InputError
from sarseg.report.survey import LONGEST, _reduce, _squares, survey_map
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.pixel_size import PixelSize
from tests.georeferences import gcp_georeference
from tests.rasters import write_raster
from tests.report.maps import BEYOND, NAMES, UNPLACED, UTM, random_map, write_landcover


def test_it_counts_every_pixel(tmp_path: Path) -> None:
    classes, confidence = random_map(70, 90)
    survey = survey_map(write_landcover(tmp_path / "map.tif", classes, confidence, **UTM))
    assert [total.entry.name for total in survey.totals] == list(NAMES.values())
    areas = np.diff(survey.size.areas(0, 70), axis=1)  # type: ignore[union-attr]
    for total in survey.totals:
        here = classes == total.entry.id
        assert total.pixels == here.sum()
        assert total.area_ha == pytest.approx(areas[here].sum() / 1e4, rel=1e-12)
        assert total.share == pytest.approx(areas[here].sum() / areas[classes != 255].sum())
        assert total.confidence == pytest.approx(confidence[here].mean() / 100)
    known = classes != 255
    assert survey.pixels == known.sum()
    assert survey.mean_confidence == pytest.approx(confidence[known].mean() / 100)
    np.testing.assert_array_equal(survey.histogram, np.bincount(confidence[known], minlength=101))
    assert survey.step == 1
    np.testing.assert_array_equal(survey.ids, classes)
    np.testing.assert_array_equal(survey.confidence, confidence)


@pytest.mark.parametrize("shape", [(3 * LONGEST - 4, 7), (5, 2 * LONGEST + 1), (LONGEST, 3)])
def test_a_large_map_is_reduced_to_its_most_frequent_classes(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    classes, confidence = random_map(*shape)
    survey = survey_map(write_landcover(tmp_path / "map.tif", classes, confidence, **UTM))
    step = -(-max(shape) // LONGEST)
    assert survey.step == step
    assert survey.ids.shape == (-(-shape[0] // step), -(-shape[1] // step))
    for row, col in np.ndindex(survey.ids.shape):
        square = np.s_[row * step : (row + 1) * step, col * step : (col + 1) * step]
        known = classes[square] != 255
        expected, mean = 255, 255.0
        if known.any():
            counts = Counter(classes[square][known].tolist())
            expected = min(key for key in counts if counts[key] == max(counts.values()))
            mean = confidence[square][known].mean()
        assert survey.ids[row, col] == expected
        assert survey.confidence is not None
        assert abs(survey.confidence[row, col] - mean) <= 0.5


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_squares_do_not_depend_on_how_rows_come(data: st.DataObject) -> None:
    height, step = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 6))
    rows = np.random.default_rng(height).integers(-1, 3, (height, 5)).astype(np.int32)
    cuts = sorted(data.draw(st.sets(st.integers(1, height))))
    wanted = data.draw(st.integers(1, 3)) * step
    blocks = list(_squares(iter(np.split(rows, cuts)), wanted))
    assert all(len(block) == wanted for block in blocks[:-1])
    np.testing.assert_array_equal(np.concatenate(blocks), rows)


def test_one_sure_pixel_does_not_make_its_neighbours_sure() -> None:
    classes = np.array([[1, -1], [-1, -1]], np.int32)
    percent = np.array([[90, 100], [100, 255]], np.uint8)
    ids, confidence = np.full((1, 1), 255, np.uint8), np.full((1, 1), 255, np.uint8)
    _reduce(classes, percent, 2, ids, confidence)
    assert (ids.item(), confidence.item()) == (1, 90)


def test_a_map_without_crs_has_no_areas(tmp_path: Path) -> None:
    survey = survey_map(write_landcover(tmp_path / "map.tif", *random_map(20, 30)))
    assert survey.size is None
    assert survey.unmeasured == "it has no CRS"
    assert survey.area_ha is None
    assert survey.pixel_width is None
    assert sum(total.share for total in survey.totals) == pytest.approx(1)


@pytest.mark.parametrize("reason", UNPLACED)
def test_a_map_whose_control_points_tell_no_place_has_no_areas(tmp_path: Path, reason: str) -> None:
    path = write_landcover(tmp_path / "map.tif", *random_map(40, 40), **UNPLACED[reason])
    survey = survey_map(path)
    assert survey.unmeasured == reason
    assert survey.area_ha is None


def test_a_map_in_a_crs_without_longitudes_has_no_areas(tmp_path: Path) -> None:
    place = {**UTM, "crs": 'LOCAL_CS["the yard",UNIT["metre",1]]'}
    survey = survey_map(write_landcover(tmp_path / "map.tif", *random_map(20, 30), **place))
    assert survey.unmeasured == "its CRS, the yard, has no longitudes and latitudes"


def test_where_some_pixels_have_no_area_pixels_are_told(tmp_path: Path) -> None:
    classes, confidence = random_map(50, 50)
    survey = survey_map(write_landcover(tmp_path / "map.tif", classes, confidence, **BEYOND))
    assert survey.unmeasured == "parts of it lie beyond what its CRS can show"
    assert survey.area_ha is None
    for total in survey.totals:
        assert total.area_ha is None
        assert total.share == pytest.approx((classes == total.entry.id).sum() / survey.pixels)


def test_a_map_by_control_points_has_areas(tmp_path: Path) -> None:
    georeference = gcp_georeference()
    classes, _ = random_map(georeference.height, georeference.width)
    path = write_landcover(
        tmp_path / "map.tif",
        classes,
        gcps=list(georeference.gcps),
        crs=georeference.gcp_crs,
    )
    survey = survey_map(path)
    with rasterio.open(path) as opened:
        size = PixelSize.of(Georeference.of(opened))
    assert size is not None
    areas = np.diff(size.areas(0, georeference.height), axis=1)
    assert survey.area_ha == pytest.approx(areas[classes != 255].sum() / 1e4)


def test_a_raster_without_legend_or_confidence(tmp_path: Path) -> None:
    values = np.array([[0, 0, 7]], np.int16)
    survey = survey_map(write_raster(tmp_path / "map.tif", values))
    assert [total.entry.name for total in survey.totals] == ["class 0", "class 7"]
    assert survey.confidence is None
    assert survey.histogram is None
    assert survey.mean_confidence is None


@pytest.mark.parametrize(
    ("values", "nodata", "message"),
    [
        (np.full((4, 5), 255, np.uint8), 255, "holds no class: all of it is nodata"),
        (np.ones((4, 5), np.float32), None, "float32"),
        (np.full((4, 5), 300, np.uint16), None, "holds 300 at row 0, column 0"),
        (np.array([[7, 7], [7, 255]], np.uint8), None, "255 at row 1, column 1.*-a_nodata 255"),
        (np.full((4, 5), -3, np.int16), None, "-3"),
    ],
)
def test_what_is_no_map_gets_a_sentence(
    tmp_path: Path, values: np.ndarray, nodata: int | None, message: str
) -> None:
    path = write_raster(tmp_path / "map.tif", values, nodata=nodata)
    with pytest.raises(InputError, match=message):
        survey_map(path)


def test_a_map_that_is_missing_or_cut_off(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        survey_map(tmp_path / "map.tif")
    whole = write_landcover(tmp_path / "whole.tif", *random_map(300, 300))
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole.read_bytes()[:60_000])
    with pytest.raises(InputError, match=r"cut\.tif"):
        survey_map(cut)
