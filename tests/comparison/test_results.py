from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sarseg.comparison.compare import write_results
from sarseg.comparison.config import Comparison
from sarseg.comparison.markdown import as_markdown
from sarseg.comparison.plots import plot_files
from sarseg.comparison.process import Failure
from sarseg.comparison.record import read_record, write_record
from sarseg.comparison.results import Results, collect
from sarseg.errors import UsageError
from tests.comparison.records import records_of, small_comparison

HITS = {"cwsam": (8, 6), "full": (4, 6), "Gauss": (2, 2)}


def _collected(comparison: Comparison, hits: dict[str, tuple[int, ...]], *failed: str) -> Results:
    trials, records = records_of(comparison, hits)
    failures = [Failure(trial, "It broke.", 5) for trial in failed]
    return collect(comparison, trials, records, failures, command="sarseg compare", data="chips")


def test_means_over_seeds_and_paired_differences() -> None:
    results = _collected(small_comparison(without=(("land",),)), HITS)
    rows = {row.run: row for row in results.rows}
    # nothing is taken for another class, so that the IoU is the share of right pixels
    assert rows["cwsam"].figures["mIoU"].by_seed == pytest.approx((0.7, 0.8))
    assert rows["cwsam"].figures["mIoU"].mean == pytest.approx(0.75)
    assert rows["cwsam"].figures["mIoU"].deviation == pytest.approx(0.005**0.5)
    assert rows["cwsam"].figures["mIoU without land"].by_seed == pytest.approx((0.8, 0.9))
    assert rows["full"].iou == pytest.approx({"water": 0.45, "land": 0.65})
    whole, water = (each for each in results.differences if each.run == "full")
    assert (whole.figure, water.figure) == ("mIoU", "mIoU without land")
    assert whole.mean == pytest.approx(-0.2)
    assert (whole.low, whole.high) == pytest.approx((-0.4, 0.0))
    assert (water.low, water.mean, water.high) == pytest.approx((-0.4, -0.4, -0.4))
    assert whole.by_seed == pytest.approx((-0.2, -0.2))
    assert not any(each.run == "cwsam" for each in results.differences)


def test_what_failed_and_what_is_missing() -> None:
    results = _collected(small_comparison(), {"cwsam": (8, 6)}, "full, seed 1")
    _, full, gauss = results.rows
    assert full.failed == ("full, seed 1: It broke.",)
    assert full.missing == (0,)
    assert gauss.missing == (0, 1)
    assert not gauss.figures
    assert not results.differences


def test_classes_that_there_are_not() -> None:
    with pytest.raises(UsageError, match="did you mean 'water'"):
        _collected(small_comparison(without=(("watr",),)), HITS)


def test_classes_of_which_none_is_left() -> None:
    results = _collected(small_comparison(without=(("water", "land"),)), HITS)
    assert np.isnan(results.rows[0].figures["mIoU without water, land"].mean)
    assert {each.figure for each in results.differences} == {"mIoU"}


@pytest.mark.parametrize(
    ("change", "told"),
    [({"counts": ((0, 0, 0, 10), (1, 1, 2, 9))}, "pixels"), ({"classes": ("w", "l")}, "classes")],
)
def test_trials_that_were_not_judged_alike_are_not_compared(
    change: dict[str, Any], told: str
) -> None:
    trials, records = records_of(small_comparison(), HITS)
    record = records["full, seed 1"]
    other = record.judgement.model_copy(update=change)
    records["full, seed 1"] = record.model_copy(update={"judgement": other})
    with pytest.raises(UsageError, match=f"'full, seed 1' were judged by different {told}"):
        collect(small_comparison(), trials, records, [], command="", data="")


def test_versions_that_agree_are_told_once() -> None:
    trials, records = records_of(small_comparison(), HITS)
    versions = [{"sarseg": "1"}, {"sarseg": "1", "monai": "2"}, {"sarseg": "1", "torch": "3"}]
    versions += [{"sarseg": "2"}] * 3
    told = {
        label: record.model_copy(update={"versions": one})
        for (label, record), one in zip(records.items(), versions, strict=True)
    }
    results = collect(small_comparison(), trials, told, [], command="", data="")
    assert results.versions == ({"sarseg": "1", "monai": "2", "torch": "3"}, {"sarseg": "2"})


def test_a_reference_that_is_not_varied_is_that_of_all() -> None:
    comparison = small_comparison(vary={"method.adapter_ratio": (0.25, 0.5)}, reference="full")
    results = _collected(comparison, HITS)
    assert [(row.run, row.value) for row in results.rows] == [
        ("cwsam", 0.25),
        ("cwsam", 0.5),
        ("full", None),
        ("Gauss", None),
    ]
    assert [(each.run, each.value) for each in results.differences] == [
        ("cwsam", 0.25),
        ("cwsam", 0.5),
        ("Gauss", None),
    ]


def test_the_page_and_its_plots(tmp_path: Path) -> None:
    comparison = small_comparison(
        vary={"label_share": (0.01, 1.0)}, title="A | B", written="title: A | B"
    )
    results = _collected(comparison, HITS, "full, 1, seed 1")
    write_results(results, tmp_path / "page.md", prefix="page_")
    text = (tmp_path / "page.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("| cwsam | 0.01 | 2 |"))
    assert "| 0.750 ± 0.071 |" in line
    assert "| 0.50 M | 3.00 M | 5 | 1.00 | 12 |" in line
    assert "| 5\\* |" in next(line for line in text.splitlines() if line.startswith("| full |"))
    assert "- failed: full, 1, seed 1: It broke." in text
    assert "```yaml\ntitle: A | B\n```" in text
    for name in ("page_accuracy_vs_parameters", "page_accuracy_vs_label_share"):
        assert f"]({name}.png)" in text
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (tmp_path / f"{name}.svg").read_text()
    written = {path for path in tmp_path.iterdir() if path.suffix in (".png", ".svg")}
    assert written == set(plot_files(comparison.varied, tmp_path, "page_"))
    svg = (tmp_path / "page_accuracy_vs_parameters.svg").read_bytes()
    write_results(results, tmp_path / "page.md", prefix="page_")
    assert (tmp_path / "page_accuracy_vs_parameters.svg").read_bytes() == svg


def test_the_page_says_which_epoch_was_kept() -> None:
    trials, records = records_of(small_comparison(), HITS)
    without = {
        label: record.model_copy(update={"validation_miou": None})
        for label, record in records.items()
    }
    gauss = {label: record for label, record in records.items() if record.run == "Gauss"}
    pages = [
        as_markdown(collect(small_comparison(), trials, each, [], command="", data=""), [])
        for each in (records, without, gauss)
    ]
    assert "keep the epoch with the best validation mIoU; figures are" in pages[0]
    assert "keep the last epoch; figures are" in pages[1]
    assert "seeds. Figures are" in pages[2]


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    _, records = records_of(small_comparison(), HITS)
    record, path = records["full, seed 1"], tmp_path / "record.json"
    write_record(path, record)
    assert read_record(path, record.key) == record
    assert read_record(path, "another key") is None
    assert read_record(tmp_path / "none.json", record.key) is None
    path.write_text(path.read_text()[:100])
    assert read_record(path, record.key) is None
    assert record.judgement.by_unit().sum() == 20
