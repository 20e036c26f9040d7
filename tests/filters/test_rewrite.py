import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from rasterio.transform import Affine

from sarseg.errors import InputError, OutputError
from sarseg.filters.despeckle import Kuan, Lee
from sarseg.filters.frequency import FrequencyFilter
from sarseg.filters.rewrite import rewrite, rewrite_stack
from sarseg.scenes import backscatter
from sarseg.scenes.radiometry import from_intensity, to_intensity
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.unit import Unit
from tests.rasters import hidden_files, speckle, write_raster

PLACE = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500_000, 0, -10, 5_700_000)}


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of 64 x 64 pixels."""
    monkeypatch.setattr(backscatter, "BLOCK", 16)


class MeanOverDates(BaseModel):
    """The plainest filter of a stack: the mean of the valid dates and of three rows."""

    model_config = ConfigDict(frozen=True)

    margin: int = 1

    def __call__(
        self, stack: NDArray[np.float32], valid: NDArray[np.bool_], device: str = "cpu"
    ) -> NDArray[np.float32]:
        filled = np.where(valid[:, None], stack, 0).astype(np.float64)
        counted = valid[:, None].astype(np.float64)
        beyond = [(0, 0), (0, 0), (1, 1), (0, 0)]
        sums, counts = (np.pad(each, beyond).sum(axis=0) for each in (filled, counted))
        over_rows = [each[:, :-2] + each[:, 1:-1] + each[:, 2:] for each in (sums, counts)]
        mean = over_rows[0] / np.maximum(over_rows[1], 1)
        return np.where(valid[:, None], mean, stack).astype(np.float32)


def bright_and_patchy(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Speckled intensity with a point target 60 dB above it, and what is valid of it."""
    rng = np.random.default_rng(height)
    values = speckle(height, width, seed=width)
    values[height // 2, width // 3] = 1e5
    return values, rng.random((height, width)) > 0.1


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("unit", ["intensity", "amplitude", "db"])
@pytest.mark.parametrize(
    "step", [Lee(size=7, looks=1.0), FrequencyFilter(low_pass=0.05, high_pass=0.02)]
)
@pytest.mark.parametrize("shape", [(150, 201), (1, 70), (64, 64)])
def test_it_is_the_filter_of_the_whole_in_the_unit_of_the_scene(
    tmp_path: Path, shape: tuple[int, int], step: Any, unit: Unit
) -> None:
    intensity, valid = bright_and_patchy(*shape)
    values = np.where(valid, from_intensity(intensity, unit), np.float32(-999))
    path = write_raster(tmp_path / "s_vv.tif", values, nodata=-999, **PLACE)
    seen = []
    with Scene.open([path], Reading(unit=unit)) as scene:
        summary = rewrite(
            scene, step, tmp_path / "o.tif", progress=lambda *counts: seen.append(counts)
        )
    whole = to_intensity(values, unit)
    expected = from_intensity(step(whole[None], valid)[0], unit)
    with rasterio.open(tmp_path / "o.tif") as dataset:
        found = dataset.read(1)
        assert dataset.transform == PLACE["transform"]
        assert dataset.descriptions == ("VV",)
        tags = dataset.tags()
    np.testing.assert_array_equal(np.isnan(found), ~valid)
    np.testing.assert_allclose(found[valid], expected[valid], rtol=1e-6, atol=1e-5 * (unit == "db"))
    assert tags["SARSEG_UNIT"] == unit
    assert tags["SARSEG_SCENE"] == "s_vv.tif"
    assert json.loads(tags["SARSEG_FILTER"]) == step.model_dump()
    assert str(tmp_path) not in str(tags)
    assert summary.output == tmp_path / "o.tif"
    assert (summary.shape, summary.bands, summary.unit) == (shape, ("VV",), unit)
    assert summary.valid == pytest.approx(valid.mean())
    total = -(-shape[0] // 64) * -(-shape[1] // 64)
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_what_is_invalid_in_one_band_does_not_spoil_another(tmp_path: Path) -> None:
    vv, vh = speckle(40, 50, seed=1), speckle(40, 50, seed=2)
    angle = np.linspace(30, 40, 2000, dtype=np.float32).reshape(40, 50)
    vv[10:20, 10:20] = np.nan
    angle[:, 45:] = np.nan
    path = write_raster(tmp_path / "s.tif", np.stack([vv, vh, angle]), **PLACE)
    step = Lee(looks=1.0)
    reading = Reading(bands=("VV", "VH", "incidence_angle"), unit="intensity")
    with Scene.open([path], reading) as scene:
        summary = rewrite(scene, step, tmp_path / "o.tif")
    with rasterio.open(tmp_path / "o.tif") as dataset:
        found = dataset.read()
        assert dataset.descriptions == summary.bands == ("VV", "VH", "incidence_angle")
    everywhere = np.ones(vv.shape, bool)
    np.testing.assert_array_equal(found[0], step(vv[None], np.isfinite(vv))[0])
    np.testing.assert_array_equal(found[1], step(vh[None], everywhere)[0])
    np.testing.assert_array_equal(found[2], angle)
    assert summary.valid == pytest.approx(1 - 100 / 4000)


def test_what_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    """Decibels above 0 would be guessed to be something else."""
    path = write_raster(tmp_path / "bright_vv.tif", speckle(20, 30) + 20, **PLACE)
    with Scene.open([path], Reading(unit="db")) as scene:
        rewrite(scene, Kuan(looks=4.0), tmp_path / "o.tif")
    with Scene.open([tmp_path / "o.tif"]) as again:
        assert (again.unit, again.unit_source, again.bands) == ("db", "tag", ("VV",))


def test_the_scene_itself_is_never_replaced(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s_vv.tif", speckle(20, 30), **PLACE)
    before = path.read_bytes()
    with Scene.open([path]) as scene, pytest.raises(OutputError, match="also an input"):
        rewrite(scene, Lee(), path, overwrite=True)
    assert path.read_bytes() == before


def test_a_scene_without_data_or_cut_short_leaves_nothing(tmp_path: Path) -> None:
    empty = write_raster(tmp_path / "e_vv.tif", np.full((20, 30), np.nan, np.float32), **PLACE)
    with Scene.open([empty]) as scene, pytest.raises(InputError, match=r"e_vv\.tif has no valid"):
        rewrite(scene, Lee(), tmp_path / "o.tif")
    broken = write_raster(tmp_path / "b_vv.tif", speckle(900, 300), nodata=-1.0)
    broken.write_bytes(broken.read_bytes()[:-300_000])
    with (
        Scene.open([broken], Reading(unit="intensity")) as scene,
        pytest.raises(InputError, match="cannot be read at rows"),
    ):
        rewrite(scene, Lee(), tmp_path / "o.tif")
    assert {path.name for path in tmp_path.iterdir()} == {"e_vv.tif", "b_vv.tif"}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_interrupted_it_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = write_raster(tmp_path / "s_vv.tif", speckle(200, 200), nodata=-1.0, **PLACE)
    (tmp_path / "o.tif").write_text("old")

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise error

    with Scene.open([path]) as scene, pytest.raises(error):
        rewrite(scene, Lee(), tmp_path / "o.tif", overwrite=True, progress=stop)
    assert (tmp_path / "o.tif").read_text() == "old"
    assert hidden_files(tmp_path) == []


@pytest.mark.usefixtures("small_blocks")
def test_memory_does_not_grow_with_the_scene(tmp_path: Path) -> None:
    def peak(side: int) -> int:
        path = write_raster(tmp_path / f"{side}_vv.tif", speckle(side, side), nodata=-1.0, **PLACE)
        with Scene.open([path], Reading(unit="intensity")) as scene:
            tracemalloc.start()
            rewrite(scene, Lee(looks=1.0), tmp_path / f"{side}_o.tif")
            largest = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return largest

    peak(100)  # compiles
    assert peak(1200) < 1.5 * peak(300)


def open_dates(folder: Path, values: Sequence[NDArray[Any]], **options: Any) -> list[Scene]:
    return [
        Scene.open(
            [write_raster(folder / f"d{number}_vv.tif", date, nodata=-1.0, **PLACE)],
            Reading(**options),
        )
        for number, date in enumerate(values)
    ]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("dates", [2, 5])
def test_dates_are_filtered_together(tmp_path: Path, dates: int) -> None:
    values = [bright_and_patchy(100, 130)[0] * (seed + 1) for seed in range(dates)]
    values[0][:30, :30] = -1.0
    scenes = open_dates(tmp_path, values, unit="intensity")
    outputs = [tmp_path / f"o{number}.tif" for number in range(dates)]
    summaries = rewrite_stack(scenes, MeanOverDates(), outputs)
    stack = np.stack(values)
    expected = MeanOverDates()(stack[:, None], stack >= 0)[:, 0]
    for scene, date, output, summary in zip(scenes, expected, outputs, summaries, strict=True):
        scene.close()
        assert summary.output == output
        with rasterio.open(output) as dataset:
            found = dataset.read(1)
            assert dataset.tags()["SARSEG_SCENE"] == scene.name
            assert dataset.tags()["SARSEG_STACK"].split(", ") == [each.name for each in scenes]
        np.testing.assert_array_equal(found, np.where(date >= 0, date, np.nan))
    assert summaries[0].valid == pytest.approx(1 - 900 / 13_000)


def test_dates_may_have_bands_in_another_order_and_other_units(tmp_path: Path) -> None:
    vv, vh = speckle(20, 30, seed=1), speckle(20, 30, seed=2)
    one = write_raster(tmp_path / "a.tif", np.stack([vv, vh]), **PLACE)
    other = write_raster(tmp_path / "b.tif", np.sqrt(np.stack([vh, vv])), **PLACE)
    outputs = [tmp_path / "oa.tif", tmp_path / "ob.tif"]
    with (
        Scene.open([one], Reading(bands=("VV", "VH"), unit="intensity")) as first,
        Scene.open([other], Reading(bands=("VH", "VV"), unit="amplitude")) as second,
    ):
        rewrite_stack([first, second], MeanOverDates(), outputs)
    with rasterio.open(outputs[0]) as a, rasterio.open(outputs[1]) as b:
        assert a.descriptions == b.descriptions == ("VV", "VH")
        np.testing.assert_allclose(a.read(), b.read() ** 2, rtol=1e-6)


def test_what_is_no_stack_is_refused_and_all_outputs_appear_or_none(tmp_path: Path) -> None:
    same = [speckle(20, 30, seed=seed) for seed in range(2)]
    outputs = [tmp_path / "o0.tif", tmp_path / "o1.tif"]
    first, second = open_dates(tmp_path, same, unit="intensity")
    for folder in ("larger", "renamed"):
        (tmp_path / folder).mkdir()
    (larger,) = open_dates(tmp_path / "larger", [speckle(21, 30)], unit="intensity")
    (renamed,) = open_dates(tmp_path / "renamed", [same[0]], unit="intensity", bands=("HH",))
    with pytest.raises(InputError, match=r"d0_vv\.tif does not lie on the grid of d1_vv\.tif: 21"):
        rewrite_stack([second, larger], MeanOverDates(), outputs)
    with pytest.raises(InputError, match=r"has the bands HH and d1_vv\.tif VV"):
        rewrite_stack([second, renamed], MeanOverDates(), outputs)
    (tmp_path / "o1.tif").write_text("old")
    with pytest.raises(OutputError, match=r"o1\.tif exists"):
        rewrite_stack([first, second], MeanOverDates(), outputs)
    assert not outputs[0].exists()
    with pytest.raises(OutputError, match="also an input"):
        rewrite_stack(
            [first, second], MeanOverDates(), [tmp_path / "d1_vv.tif", outputs[0]], overwrite=True
        )
    assert {path.name for path in tmp_path.iterdir()} == {
        "d0_vv.tif",
        "d1_vv.tif",
        "o1.tif",
        "larger",
        "renamed",
    }


def test_on_a_full_disk_all_dates_stay_as_they_were(tmp_path: Path, file_size_limit: Any) -> None:
    """The first output is larger than the second, as the scene's name in it is longer."""
    paths = [tmp_path / ("a" * 200 + "_vv.tif"), tmp_path / "b_vv.tif"]
    outputs = [tmp_path / "oa.tif", tmp_path / "ob.tif"]
    for seed, path in enumerate(paths):
        write_raster(path, speckle(300, 200, seed=seed), nodata=-1.0, **PLACE)

    def filter_both() -> None:
        with (
            Scene.open([paths[0]], Reading(unit="intensity")) as one,
            Scene.open([paths[1]], Reading(unit="intensity")) as other,
        ):
            rewrite_stack([one, other], MeanOverDates(), outputs, overwrite=True)

    filter_both()
    before = [path.stat() for path in outputs]
    assert before[0].st_size > before[1].st_size
    file_size_limit(before[1].st_size)
    with pytest.raises(OutputError, match=r"oa\.tif could not be written"):
        filter_both()
    assert [path.stat().st_ino for path in outputs] == [each.st_ino for each in before]
    assert hidden_files(tmp_path) == []
