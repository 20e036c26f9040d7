"""The page: complete, safe and on its own."""

from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rasterio.io import MemoryFile

from sarseg.cli.evaluate_text import _hectares as hectares_text
from sarseg.errors import OutputError
from sarseg.evaluation.judging import Judging, Outcome, evaluate_map
from sarseg.evaluation.page.builder import _estimated_hectares as hectares_of_page
from sarseg.evaluation.page.builder import page, write_page
from sarseg.evaluation.page.pictures import LONGEST, Picture, Reduced, scene_picture
from sarseg.evaluation.reference import ReferenceFiles
from sarseg.evaluation.result import Estimate
from sarseg.scenes.reader import Scene
from tests.rasters import hidden_files, speckle, write_raster

EVIL = "<script>alert('x')</script> & \"more\""
VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Elements in their order; fails where they are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    mapped = np.random.default_rng(1).integers(0, 3, (2, 50, 60)).astype(np.uint8)
    mapped[1] = mapped[1] * 20 + 30
    names = {"CLASS_0": EVIL, "CLASS_1": "field", "CLASS_2": "moor"}
    landcover, labels = tmp_path / "map.tif", tmp_path / "labels.tif"
    write_raster(landcover, mapped, descriptions=["class", "confidence"])
    write_raster(labels, np.roll(mapped[0], 1, axis=1))
    import rasterio

    for path in (landcover, labels):
        with rasterio.open(path, "r+") as opened:
            opened.update_tags(1, **names)
    return evaluate_map(landcover, Judging(ReferenceFiles(labels), pictures=True))


def test_it_needs_nothing_else(outcome: Outcome) -> None:
    text = page(outcome.evaluation, outcome.pictures)
    found = Page(text)
    assert not found.all("script")
    assert not found.all("link")
    for _, attributes in found.elements:
        for name in ("src", "href", "data", "srcset"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in text


def test_names_of_classes_are_text(outcome: Outcome) -> None:
    text = page(outcome.evaluation, outcome.pictures)
    assert "<script" not in text
    assert EVIL in Page(text).text


def test_it_shows_figures_matrix_and_charts(outcome: Outcome) -> None:
    accuracy = outcome.evaluation.accuracy
    assert accuracy is not None
    assert accuracy.reliability is not None
    found = Page(page(outcome.evaluation, outcome.pictures))
    assert f"{accuracy.figures.miou:.3f}" in found.text
    for row in accuracy.confusion:
        for count in row[:-1]:
            assert f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") in found.text
    assert len(found.all("svg")) == 2
    assert len(found.all("circle")) == len(accuracy.reliability.bins)
    assert [image["alt"] for image in found.all("img")] == ["Reference", "Map", "Errors"]


@pytest.mark.parametrize(
    ("value", "margin", "shown"),
    [
        (1234.567, 12.3, "1,235±12"),
        (41.26, 0.534, "41.26±0.53"),
        (0.5, 1.25, "0.5±1.2"),
        (7.5, 0.0, "7.50±0.00"),
        (123.4, None, "123"),
        (None, None, "-"),
    ],
)
def test_areas_and_margins_have_the_same_decimals(
    value: float | None, margin: float | None, shown: str
) -> None:
    estimate = Estimate(value=value, margin=margin)
    assert hectares_text(estimate) == shown
    of_page = hectares_of_page(estimate).replace("\N{NARROW NO-BREAK SPACE}", ",")
    assert of_page == shown.replace("±", " ± ").replace("-", "–")


def decoded(picture: Picture) -> np.ndarray:
    with MemoryFile(b64decode(picture.source.partition(",")[2])) as memory, memory.open() as opened:
        assert opened.driver == "PNG"
        return np.asarray(np.moveaxis(opened.read(), 0, -1))


def test_pictures_show_classes_and_errors(outcome: Outcome) -> None:
    reference, mapped, errors = map(decoded, outcome.pictures)
    assert reference.shape == (50, 60, 3)
    np.testing.assert_array_equal(reference, np.roll(mapped, 1, axis=1))
    differs = (reference != mapped).any(axis=-1)
    assert len(np.unique(errors[differs], axis=0)) == 1
    assert len(np.unique(errors[~differs], axis=0)) == 1
    assert (errors[differs][0] != errors[~differs][0]).any()


@pytest.mark.parametrize("shape", [(2500, 30), (1, 1001), (1000, 1000), (1, 1), (1999, 2001)])
def test_large_rasters_are_reduced_while_rows_go_by(shape: tuple[int, int]) -> None:
    values = np.add.outer(np.arange(shape[0]), np.arange(shape[1]) / 10000)
    whole, parts = Reduced(*shape), Reduced(*shape)
    whole.add_rows(0, values)
    for row in range(0, shape[0], 7):
        parts.add_rows(row, values[row : row + 7])
    np.testing.assert_array_equal(parts.values(), whole.values())
    step = -(-max(shape) // LONGEST)
    assert parts.values().shape == (-(-shape[0] // step), -(-shape[1] // step))
    assert max(parts.values().shape) <= LONGEST
    np.testing.assert_allclose(
        parts.values()[:-1, 0] - values[0, step // 2 if shape[1] > step // 2 else -1],
        np.arange(shape[0])[step // 2 :: step][: len(parts.values()) - 1],
        atol=0.2,
    )


def test_the_scene_is_stretched_and_nodata_is_grey(tmp_path: Path) -> None:
    values = speckle(40, 50)
    values[:10] = np.nan
    with Scene.open([write_raster(tmp_path / "s_vv.tif", values)]) as scene:
        shown = decoded(scene_picture(scene))
    assert (shown[:10] == 238).all()
    assert shown[10:].min() == 0
    assert shown[10:].max() == 255
    order = np.argsort(values[10:].ravel())
    assert (np.diff(shown[10:, :, 0].ravel()[order].astype(int)) >= 0).all()


def test_it_appears_whole_or_not_at_all(outcome: Outcome, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    write_page(folder / "report.html", outcome.evaluation, outcome.pictures)
    assert [path.name for path in folder.iterdir()] == ["report.html"]
    assert (folder / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_a_full_disk(outcome: Outcome, tmp_path: Path, file_size_limit: object) -> None:
    target = tmp_path / "report.html"
    target.write_text("before")
    file_size_limit(2000)  # type: ignore[operator]
    with pytest.raises(OutputError, match=r"report\.html could not be written"):
        write_page(target, outcome.evaluation, outcome.pictures)
    assert target.read_text() == "before"
    assert hidden_files(tmp_path) == []
