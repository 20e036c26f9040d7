"""The page in a real browser: complete, right, safe and on its own."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sarseg.errors import OutputError
from sarseg.report.backdrop import Backdrop, backdrop
from sarseg.report.page import page, write_page
from sarseg.report.survey import LONGEST, MapSurvey, survey_map
from sarseg.scenes.ground import to_map
from sarseg.scenes.reader import Scene
from tests.browser import Browser, browser
from tests.georeferences import gcp_georeference
from tests.rasters import hidden_files, speckle, write_raster
from tests.report.maps import BEYOND, COLOURS, NAMES, UNPLACED, UTM, random_map, write_landcover

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)> & \"more\""
HEIGHT, WIDTH = 40, 60
TRANSFORM = "document.getElementById('world').style.transform"
READY = "document.getElementById('stage').dataset.ready === 'yes'"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def surveyed(folder: Path, **of_map: Any) -> MapSurvey:
    classes, confidence = random_map(HEIGHT, WIDTH)
    of_map = {"tags": {"SARSEG_SCENE": f"{EVIL}.tif", "SARSEG_X": EVIL}, **UTM, **of_map}
    names = of_map.pop("names", {**NAMES, 2: EVIL})
    return survey_map(
        write_landcover(folder / "map.tif", classes, confidence, names=names, **of_map)
    )


def below(folder: Path, survey: MapSurvey) -> Backdrop:
    path = write_raster(folder / "scene_vv.tif", speckle(HEIGHT, WIDTH), **UTM)
    with Scene.open([path]) as scene:
        return backdrop(scene, survey)


@pytest.fixture
def opened(tab: Browser, tmp_path: Path) -> Browser:
    """The tab, with a page of a map over a scene."""
    survey = surveyed(tmp_path)
    write_page(tmp_path / "page.html", survey, below(tmp_path, survey), f"Title {EVIL}")
    return show(tab, tmp_path / "page.html")


def show(tab: Browser, path: Path, **how: Any) -> Browser:
    tab.events.clear()
    tab.open(path, **how)
    tab.wait_for(READY)
    return tab


def place_of(tab: Browser, col: int, row: int) -> tuple[float, float]:
    """Where the middle of a pixel of the reduced map is in the window."""
    x, y = tab.evaluate(
        "(() => { const stage = document.getElementById('stage');"
        "stage.scrollIntoView({block: 'center'}); const box = stage.getBoundingClientRect();"
        "const m = new DOMMatrix(getComputedStyle(document.getElementById('world')).transform);"
        f"return [box.x + stage.clientLeft + m.e + m.a * {col + 0.5},"
        f" box.y + stage.clientTop + m.f + m.d * {row + 0.5}]; }})()"
    )
    return x, y


def told(tab: Browser) -> str:
    text: str = tab.evaluate("document.getElementById('readout').textContent")
    return text


def painted(tab: Browser, col: int, row: int) -> list[int]:
    return list(
        tab.evaluate(
            "Array.from(document.getElementById('map').getContext('2d')"
            f".getImageData({col}, {row}, 1, 1).data)"
        )
    )


def expected_text(col: int, row: int) -> str:
    classes, confidence = random_map(HEIGHT, WIDTH)
    name = {**NAMES, 2: EVIL, 255: "no class"}[int(classes[row, col])]
    sure = "" if classes[row, col] == 255 else f" · confidence {confidence[row, col]} %"
    x, y = UTM["transform"] * (col + 0.5, row + 0.5)
    return f"{name}{sure} · x {x:.0f}, y {y:.0f}"


def test_it_asks_for_nothing_and_complains_of_nothing(opened: Browser) -> None:
    requested = opened.requested()
    assert any(url.startswith("file:") and url.endswith("page.html") for url in requested)
    assert [u for u in requested if not u.startswith("data:")] == requested[:1]
    assert opened.complaints() == []


def test_names_from_files_are_text(opened: Browser) -> None:
    assert opened.evaluate("document.title") == f"Title {EVIL}"
    assert EVIL in opened.evaluate("document.querySelector('.legend').textContent")
    assert opened.evaluate("document.querySelector('.facts').textContent").count(EVIL) == 2
    assert opened.evaluate("document.querySelectorAll('script').length") == 2
    assert opened.evaluate("document.querySelectorAll('img').length") == 3


@pytest.mark.parametrize(("col", "row"), [(0, 0), (59, 39), (17, 23), (40, 5), (31, 12)])
def test_pointing_tells_what_is_there(opened: Browser, col: int, row: int) -> None:
    opened.mouse("mouseMoved", *place_of(opened, col, row))
    assert told(opened).startswith(expected_text(col, row))
    assert "longitude" in told(opened)


def test_every_pixel_has_the_colour_of_its_class(opened: Browser) -> None:
    classes, _ = random_map(HEIGHT, WIDTH)
    for row, col in np.random.default_rng(1).integers(0, (HEIGHT, WIDTH), (30, 2)).tolist():
        colour = COLOURS.get(int(classes[row, col]))
        assert painted(opened, col, row) == ([*colour, 255] if colour else [0, 0, 0, 0])


def test_the_slider_changes_the_opacity(opened: Browser) -> None:
    def opacity() -> float:
        return float(opened.evaluate("getComputedStyle(document.getElementById('map')).opacity"))

    assert opacity() == pytest.approx(0.7)
    box = "document.getElementById('opacity').getBoundingClientRect()"
    x, y = opened.middle("#opacity")
    width = opened.evaluate(f"{box}.width")
    for kind in ("mousePressed", "mouseReleased"):
        opened.mouse(kind, x - width / 4, y, button="left", clickCount=1)
    value = int(opened.evaluate("document.getElementById('opacity').value"))
    assert 15 <= value <= 35
    assert opacity() == pytest.approx(value / 100)
    assert opened.evaluate("document.getElementById('opacity-value').textContent") == f"{value} %"


def test_a_class_is_hidden_and_shown_again(opened: Browser) -> None:
    classes, _ = random_map(HEIGHT, WIDTH)
    (row, col), (other_row, other_col) = np.argwhere(classes == 1)[0], np.argwhere(classes == 5)[0]
    opened.click(".key[data-id='1']")
    assert painted(opened, col, row)[3] == 0
    assert painted(opened, other_col, other_row)[3] == 255
    pressed = "document.querySelector(\".key[data-id='1']\").getAttribute('aria-pressed')"
    assert opened.evaluate(pressed) == "false"
    opened.click(".key[data-id='1']")
    assert painted(opened, col, row) == [*COLOURS[1], 255]
    assert opened.evaluate(pressed) == "true"


def test_confidence_is_shown_in_its_own_colours(opened: Browser) -> None:
    classes, confidence = random_map(HEIGHT, WIDTH)
    known = np.where(classes == 255, 50, confidence.astype(int))
    opened.click("input[value=confidence]")
    for percent in (known.min(), known.max()):
        row, col = np.argwhere(known == percent)[0]
        red, green, _, alpha = painted(opened, col, row)
        assert alpha == 255
        assert (red > 200 and green > 200) == (percent > 50)
    assert not opened.evaluate("document.getElementById('ramp').hidden")


def test_wheel_zooms_where_the_pointer_is_and_dragging_moves(opened: Browser) -> None:
    x, y = place_of(opened, 17, 23)
    opened.mouse("mouseMoved", x, y)
    before = told(opened)
    for _ in range(2):
        opened.mouse("mouseWheel", x, y, deltaX=0, deltaY=-100)
    assert told(opened) == before
    assert place_of(opened, 18, 23)[0] - place_of(opened, 17, 23)[0] >= 40
    x, y = place_of(opened, 17, 23)
    opened.mouse("mousePressed", x, y, button="left", buttons=1)
    opened.mouse("mouseMoved", x + 60, y + 30, button="left", buttons=1)
    opened.mouse("mouseReleased", x + 60, y + 30, button="left")
    assert place_of(opened, 17, 23) == pytest.approx((x + 60, y + 30))
    opened.click("#whole")
    left, _ = place_of(opened, 0, 0)
    box = "document.getElementById('stage').getBoundingClientRect()"
    assert 0 < left - opened.evaluate(f"{box}.x") < 20


def test_it_can_be_read_by_keyboard(opened: Browser) -> None:
    whole = opened.evaluate(TRANSFORM)
    opened.evaluate("document.getElementById('stage').focus()")
    for key in ("+", "+", "ArrowRight", "ArrowDown"):
        opened.press(key)
    x, y = opened.middle("#stage")
    described = told(opened)
    opened.mouse("mouseMoved", x, y)
    assert told(opened) == described
    assert opened.evaluate(TRANSFORM) != whole
    opened.press("0")
    assert opened.evaluate(TRANSFORM) == whole


def test_the_scale_bar_is_as_long_as_it_says(opened: Browser) -> None:
    length = opened.evaluate("document.getElementById('scale').textContent")
    number, unit = length.split()
    metres = float(number) * (1000 if unit == "km" else 1)
    pixel = place_of(opened, 1, 0)[0] - place_of(opened, 0, 0)[0]
    width = float(
        opened.evaluate("document.getElementById('scale').style.width").removesuffix("px")
    )
    assert width / pixel * 20 == pytest.approx(metres, rel=1e-3)  # 20 m on the map


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen(tab: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    survey = surveyed(tmp_path, names={**NAMES, 2: "a rather long name of a class of land cover"})
    write_page(tmp_path / "page.html", survey, below(tmp_path, survey), "Title")
    show(tab, tmp_path / "page.html", width=width, height=800, scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    wide = tab.evaluate(
        "Array.from(document.querySelectorAll('.wide'), (e) => e.scrollWidth - e.clientWidth)"
    )
    assert wide == [0]
    tab.screenshot(tmp_path / "shot.png")
    corner = Image.open(tmp_path / "shot.png").convert("L").getpixel((2, 2))
    assert isinstance(corner, int)
    assert (corner < 60) == (scheme == "dark")


def test_a_large_map_is_told_by_the_squares_that_are_shown(tab: Browser, tmp_path: Path) -> None:
    height, width = 30, 3 * LONGEST - 1
    classes = np.full((height, width), 1, np.uint8)
    classes[:, -2:] = 5  # what is left of the last square
    path = write_landcover(tmp_path / "map.tif", classes, **UTM)
    write_page(tmp_path / "page.html", survey_map(path), None, "Large")
    show(tab, tmp_path / "page.html")
    tab.mouse("mouseMoved", *place_of(tab, LONGEST - 1, 0))
    x, y = UTM["transform"] * (width - 1, 1.5)
    assert told(tab).startswith(f"built-up · x {x:.0f}, y {y:.0f}")


def test_a_map_by_control_points_without_scene_or_confidence(tab: Browser, tmp_path: Path) -> None:
    georeference = gcp_georeference()
    classes, _ = random_map(georeference.height, georeference.width)
    path = write_landcover(
        tmp_path / "map.tif", classes, gcps=list(georeference.gcps), crs=georeference.gcp_crs
    )
    write_page(tmp_path / "page.html", survey_map(path), None, "Points")
    show(tab, tmp_path / "page.html")
    assert tab.evaluate("document.getElementById('opacity')") is None
    assert tab.evaluate("document.querySelector('input[name=layer]')") is None
    tab.mouse("mouseMoved", *place_of(tab, 150, 100))
    found = re.search(r"longitude ([\d.]+)°, latitude ([\d.]+)°", told(tab))
    assert found is not None
    ((lon, lat),) = to_map(np.array([[150.5, 100.5]]), georeference)
    assert [float(each) for each in found.groups()] == pytest.approx([lon, lat], abs=2e-5)
    assert tab.complaints() == []


@pytest.mark.parametrize(("reason", "place"), [("it has no CRS", {}), *UNPLACED.items()])
def test_a_map_without_place_counts_pixels(
    tab: Browser, tmp_path: Path, reason: str, place: dict[str, Any]
) -> None:
    path = write_landcover(tmp_path / "map.tif", *random_map(HEIGHT, WIDTH), **place)
    write_page(tmp_path / "page.html", survey_map(path), None, "No place")
    show(tab, tmp_path / "page.html")
    tab.mouse("mouseMoved", *place_of(tab, 17, 23))
    assert told(tab).endswith("column 17, row 23")
    assert tab.evaluate("document.getElementById('scale').textContent").endswith(" px")
    text = tab.evaluate("document.querySelector('main').textContent")
    assert not re.search(r"\bha\b", text)
    assert f"The map gives no areas, so pixels are counted: {reason}." in text


def test_why_a_map_with_a_place_has_no_areas_is_told(tab: Browser, tmp_path: Path) -> None:
    path = write_landcover(tmp_path / "map.tif", *random_map(50, 50), **BEYOND)
    write_page(tmp_path / "page.html", survey_map(path), None, "Full disk")
    show(tab, tmp_path / "page.html")
    text = tab.evaluate("document.querySelector('main').textContent")
    assert "so pixels are counted: parts of it lie beyond what its CRS can show." in text
    assert tab.evaluate("document.getElementById('scale').textContent").endswith(" km")


def test_figures_stand_in_the_table(opened: Browser, tmp_path: Path) -> None:
    survey = survey_map(tmp_path / "map.tif")
    cells = opened.evaluate(
        "Array.from(document.querySelectorAll('.areas tbody tr'), (row) => row.innerText)"
    )
    ordered = sorted(survey.totals, key=lambda total: -total.share)
    for text, total in zip(cells, ordered, strict=True):
        assert text.strip().startswith(total.entry.name)
        assert f"{100 * total.share:.1f} %" in text
        assert f"{total.area_ha:.2f}" in text or f"{total.area_ha:.0f}" in text
    lengths = opened.evaluate(
        "Array.from(document.querySelectorAll('.length'), (e) => e.getBoundingClientRect().width)"
    )
    shares = [total.share for total in ordered]
    assert np.divide(lengths, lengths[0]) == pytest.approx(np.divide(shares, shares[0]), abs=0.01)


def test_without_scripts_the_map_stands_still(tab: Browser, tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", surveyed(tmp_path), None, "Still")
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(tmp_path / "page.html")
    finally:
        tab.call("Emulation.setScriptExecutionDisabled", value=False)
    assert not tab.evaluate("document.getElementById('still').hidden")
    assert tab.evaluate("document.getElementById('still').getBoundingClientRect().width") > 500


def test_everything_seen_has_words(tmp_path: Path) -> None:
    survey = surveyed(tmp_path)
    text = page(survey, below(tmp_path, survey), "Title")
    images = re.findall(r"<img[^>]*>", text)
    assert all(' alt="' in each for each in images)
    assert sum(' alt=""' in each for each in images) == 1  # the values, which nobody sees
    assert '<html lang="en">' in text


def test_it_appears_whole_or_not_at_all(tmp_path: Path, file_size_limit: Any) -> None:
    survey = surveyed(tmp_path)
    target = tmp_path / "page.html"
    target.write_text("before")
    file_size_limit(2000)
    with pytest.raises(OutputError, match=r"page\.html could not be written"):
        write_page(target, survey, None, "Title")
    assert target.read_text() == "before"
    assert hidden_files(tmp_path) == []
