import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from sarseg.errors import OutputError, UsageError
from sarseg.vectors.formats.features import Features
from sarseg.vectors.regions import Polygons
from sarseg.vectors.totals import ClassTotal, Totals, check_summary, write_summary

TOTALS = (
    ClassTotal(0, 'wäter, "deep"', 2, 30, 0.25, 0.25),
    ClassTotal(7, "<two>\nlines", 1, 10, 0.75, 0.75),
)
UNPLACED = (ClassTotal(0, "water", 1, 30, None, 1.0),)


def features(ids: list[int], pixels: list[int], areas: list[float]) -> Features:
    squares = Polygons.of(np.full(len(ids) + 1, shapely.box(0, 0, 1, 1), object))
    return Features(
        squares[: len(ids)],
        {
            "class_id": np.array(ids, np.int32),
            "class_name": np.array([f"class {class_id}" for class_id in ids], object),
            "area_ha": np.array(areas, np.float64),
            "pixels": np.array(pixels, np.int64),
        },
    )


def test_classes_add_up_over_batches() -> None:
    totals = Totals()
    totals.add(features([5, 300, 5], [1, 2**40, 3], [0.5, 1.0, 0.25]))
    totals.add(features([], [], []))
    totals.add(features([0, 5], [7, 2], [2.0, 0.25]))
    assert totals.classes() == (
        ClassTotal(0, "class 0", 1, 7, 2.0, 0.5),
        ClassTotal(5, "class 5", 3, 6, 1.0, 0.25),
        ClassTotal(300, "class 300", 1, 2**40, 1.0, 0.25),
    )


def test_shares_are_of_pixels_where_an_area_is_not_known() -> None:
    totals = Totals()
    totals.add(features([0, 1, 1], [6, 1, 1], [0.5, 3.0, np.nan]))
    assert totals.classes() == (
        ClassTotal(0, "class 0", 1, 6, 0.5, 0.75),
        ClassTotal(1, "class 1", 2, 2, None, 0.25),
    )


def test_nothing_has_no_classes() -> None:
    assert Totals().classes() == ()


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 2**40), st.floats(1e-3, 1e9)), min_size=1
    ),
    cut=st.integers(0, 5),
)
def test_batches_do_not_matter(rows: list[tuple[int, int, float]], cut: int) -> None:
    ids, pixels, areas = map(list, zip(*rows, strict=True))
    whole, parts = Totals(), Totals()
    whole.add(features(ids, pixels, areas))
    for part in (slice(0, cut), slice(cut, None)):
        parts.add(features(ids[part], pixels[part], areas[part]))
    for one, other in zip(whole.classes(), parts.classes(), strict=True):
        assert (one.class_id, one.polygons, one.pixels) == (
            other.class_id,
            other.polygons,
            other.pixels,
        )
        assert one.area_ha == pytest.approx(other.area_ha)
    assert sum(total.share for total in whole.classes()) == pytest.approx(1)
    assert sum(total.pixels for total in whole.classes()) == sum(pixels)


@pytest.mark.parametrize("totals", [TOTALS, UNPLACED, ()])
def test_files_hold_the_totals(tmp_path: Path, totals: tuple[ClassTotal, ...]) -> None:
    write_summary(tmp_path / "totals.JSON", totals)
    content = json.loads((tmp_path / "totals.JSON").read_text(encoding="utf-8"))
    assert [ClassTotal(**entry) for entry in content["classes"]] == list(totals)

    write_summary(tmp_path / "totals.csv", totals)
    with (tmp_path / "totals.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["class_id", "class_name", "polygons", "pixels", "area_ha", "share"]
    assert rows == [
        [
            str(total.class_id),
            total.class_name,
            str(total.polygons),
            str(total.pixels),
            "" if total.area_ha is None else str(total.area_ha),
            str(total.share),
        ]
        for total in totals
    ]
    assert len(list(tmp_path.iterdir())) == 2


def test_other_formats_are_refused(tmp_path: Path) -> None:
    for name in ("totals", "totals.xlsx"):
        with pytest.raises(UsageError, match=r"totals.*\.csv or \.json"):
            check_summary(tmp_path / name)
        with pytest.raises(UsageError):
            write_summary(tmp_path / name, TOTALS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extension", ["csv", "json"])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, extension: str, file_size_limit: Callable[[int], None]
) -> None:
    path = tmp_path / f"totals.{extension}"
    path.write_text("precious")
    file_size_limit(100)
    with pytest.raises(OutputError, match="could not be written"):
        write_summary(path, TOTALS * 10)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_target_that_cannot_be_written() -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_summary(Path("/proc/totals.csv"), TOTALS)  # read-only, whoever asks
