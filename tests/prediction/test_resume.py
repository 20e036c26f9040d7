"""Runs that are stopped on their way, and gone on with."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sarseg.errors import InputError, OutputError, UsageError
from sarseg.prediction.journal import Journal, journal_folder, unfinished
from sarseg.prediction.mapping import Step, TileCounts
from sarseg.prediction.predictor import PredictionSummary, plan_scene, predict_scene
from sarseg.prediction.settings import PredictSettings
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from tests.file_server import serving
from tests.prediction.interruptible import SETTINGS, Slow
from tests.rasters import hidden_files, speckle, write_raster
from tests.toy import toy_model

SHAPE = 400, 520


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = speckle(2, *SHAPE, mean=0.08)
    values[:, 100:300, 150:400] = -9999.0
    return write_raster(tmp_path_factory.mktemp("resume") / "s_vv_vh.tif", values, nodata=-9999.0)


@pytest.fixture(scope="module")
def whole(scene: Path) -> tuple[bytes, PredictionSummary]:
    """The map in one go."""
    output = scene.with_name("whole.tif")
    with Scene.open([scene]) as opened:
        summary = predict_scene(opened, toy_model(), output, SETTINGS)
    return output.read_bytes(), summary


def started(scene: Path, output: Path, seconds: float, *options: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.prediction.interruptible"),
            *(str(scene), str(output), str(seconds), *options),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("begun")
    return process


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def saved_tiles(output: Path) -> int:
    """Tiles that need not be computed again."""
    record = journal_folder(output) / "journal.json"
    if not record.exists():
        return 0
    position = json.loads(record.read_text())["position"]
    assert position["strip"] in (0, 1)
    return int(position["tiles"]) if position["strip"] == 0 else -1


def killed_and_resumed(scene: Path, output: Path, kills: int, seed: int) -> list[str]:
    """Kill a run again and again, then let it end; what was saved is never computed again."""
    chance = random.Random(seed)
    resumed, told = 0, []
    for _ in range(kills):
        process = started(scene, output, 0.3, "--resume")
        time.sleep(chance.uniform(0.0, 6.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not output.exists() or process.returncode == 0
        left = saved_tiles(output)
        told.append(f"{left} tiles saved")
        assert left == -1 or left >= resumed
        resumed = left
        if output.exists():
            return told
    found = result(started(scene, output, 0.0, "--resume"))
    assert found["resumed"] == (found["tiles"] if resumed == -1 else resumed)
    told.append(f"{found['tiles'] - found['resumed']} of {found['tiles']} tiles computed at last")
    return told


def test_killed_runs_end_in_the_same_bytes(
    tmp_path: Path, scene: Path, whole: tuple[bytes, PredictionSummary]
) -> None:
    output = tmp_path / "map.tif"
    killed_and_resumed(scene, output, kills=3, seed=1)
    assert output.read_bytes() == whole[0]
    assert hidden_files(tmp_path) == []


@pytest.mark.full
def test_kills_at_twenty_moments(
    tmp_path: Path, scene: Path, whole: tuple[bytes, PredictionSummary]
) -> None:
    for seed in range(20):
        output = tmp_path / f"{seed}.tif"
        print(seed, killed_and_resumed(scene, output, kills=1, seed=seed))
        assert output.read_bytes() == whole[0]
        assert hidden_files(tmp_path) == []


class Failing(Slow):
    """Fails at a batch."""

    def __init__(self, failure: BaseException, call: int, seconds: float = 0.0) -> None:
        super().__init__(seconds)
        self.failure, self.left = failure, call

    def forward(self, bands: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise self.failure
        return super().forward(bands)


@pytest.mark.parametrize("failure", [InputError("The disk is gone."), KeyboardInterrupt()])
def test_what_is_done_is_kept_and_gone_on_with(
    tmp_path: Path,
    scene: Path,
    whole: tuple[bytes, PredictionSummary],
    failure: BaseException,
) -> None:
    output, told = tmp_path / "map.tif", []
    with Scene.open([scene]) as opened:
        model = toy_model(Failing(failure, 15, 0.25))
        with pytest.raises(type(failure), match=r"of 130 tiles are kept: --resume goes on"):
            predict_scene(opened, model, output, SETTINGS)
        assert not output.exists()
        assert hidden_files(tmp_path) == [".map.tif.sarseg-run"]
        summary = predict_scene(
            opened, toy_model(), output, SETTINGS, resume=True, tell=told.append
        )
    assert 0 < summary.resumed < summary.tiles == 130
    assert told == [f"Going on after {summary.resumed} of 130 tiles."]
    assert output.read_bytes() == whole[0]
    assert summary.pixels == whole[1].pixels
    assert summary.skipped == whole[1].skipped
    assert hidden_files(tmp_path) == []


def left_unfinished(scene: Path, output: Path) -> None:
    with Scene.open([scene]) as opened, pytest.raises(InputError):
        predict_scene(opened, toy_model(Failing(InputError(""), 15)), output, SETTINGS)


def test_without_resume_a_run_begins_anew(
    tmp_path: Path, scene: Path, whole: tuple[bytes, PredictionSummary]
) -> None:
    output, told = tmp_path / "map.tif", []
    left_unfinished(scene, output)
    with Scene.open([scene]) as opened:
        summary = predict_scene(opened, toy_model(), output, SETTINGS, tell=told.append)
    assert summary.resumed == 0
    assert "begun anew: --resume would have gone on" in told[0]
    assert output.read_bytes() == whole[0]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"batch_size": 2}, "--batch-size was 3 and is now 2"),
        ({"precision": "bfloat16"}, "--precision was float32 and is now bfloat16"),
        ({"overlap": 8}, "with: --overlap was 24 and is now 8"),
        ({"window": "flat"}, "--blend was gaussian and is now flat"),
        ({"entropy": True}, "the map's bands was"),
    ],
)
def test_another_run_is_not_gone_on_with(
    tmp_path: Path, scene: Path, changed: dict[str, Any], told: str
) -> None:
    output = tmp_path / "map.tif"
    left_unfinished(scene, output)
    before = sorted(path.name for path in journal_folder(output).iterdir())
    settings = PredictSettings(**{**SETTINGS.__dict__, **changed})
    with Scene.open([scene]) as opened, pytest.raises(OutputError, match=told):
        predict_scene(opened, toy_model(), output, settings, resume=True)
    assert sorted(path.name for path in journal_folder(output).iterdir()) == before


def test_what_is_left_open_is_as_it_was_begun(
    tmp_path: Path, scene: Path, whole: tuple[bytes, PredictionSummary]
) -> None:
    output = tmp_path / "map.tif"
    left_unfinished(scene, output)
    settings = PredictSettings(**{**SETTINGS.__dict__, "batch_size": None, "precision": "auto"})
    with Scene.open([scene]) as opened:
        summary = predict_scene(opened, toy_model(), output, settings, resume=True)
    assert (summary.batch_size, summary.precision) == (3, "float32")
    assert output.read_bytes() == whole[0]


def test_a_changed_scene_is_not_gone_on_with(tmp_path: Path) -> None:
    scene = write_raster(tmp_path / "s_vv.tif", speckle(*SHAPE))
    left_unfinished(scene, tmp_path / "map.tif")
    write_raster(scene, speckle(*SHAPE, seed=1))
    with (
        Scene.open([scene]) as opened,
        pytest.raises(OutputError, match=r"files have changed since, or are others: s_vv\.tif"),
    ):
        predict_scene(opened, toy_model(), tmp_path / "map.tif", SETTINGS, resume=True)


def test_two_runs_of_one_output_do_not_mix(tmp_path: Path, scene: Path) -> None:
    output = tmp_path / "map.tif"
    process = started(scene, output, 0.3)
    deadline = time.monotonic() + 60
    while not journal_folder(output).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    with Scene.open([scene]) as opened, pytest.raises(OutputError, match="Another process"):
        predict_scene(opened, toy_model(), output, SETTINGS)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_strips_are_gone_on_with(
    tmp_path: Path,
    scene: Path,
    whole: tuple[bytes, PredictionSummary],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Narrow strips give the same map, and each may be where a run was stopped."""
    monkeypatch.setattr("sarseg.prediction.planning.WIDEST_STRIP", 200)
    for stop in (2, 12, 20, 30):
        output = tmp_path / f"{stop}.tif"
        with Scene.open([scene]) as opened:
            model = toy_model(Failing(InputError(""), stop))
            with pytest.raises(InputError):
                predict_scene(opened, model, output, SETTINGS)
            assert unfinished(output) is not None
            summary = predict_scene(opened, toy_model(), output, SETTINGS, resume=True)
        assert summary.tiles > 130
        assert 0 < summary.resumed < summary.tiles
        assert output.read_bytes() == whole[0]


@pytest.mark.parametrize("damaged", ["journal.json", "strip-0.bil", "sums"])
def test_a_damaged_journal_is_begun_anew(
    tmp_path: Path, scene: Path, whole: tuple[bytes, PredictionSummary], damaged: str
) -> None:
    output, told = tmp_path / "map.tif", []
    left_unfinished(scene, output)
    (file,) = journal_folder(output).glob(f"{damaged}*")
    file.write_bytes(b"{")
    with Scene.open([scene]) as opened:
        summary = predict_scene(
            opened, toy_model(), output, SETTINGS, resume=True, tell=told.append
        )
    assert summary.resumed == 0
    assert damaged == "journal.json" or "begun anew: it is damaged" in told[0]
    assert output.read_bytes() == whole[0]


def test_a_nodata_value_that_is_no_number_is_the_same_again(tmp_path: Path, scene: Path) -> None:
    output, reading = tmp_path / "map.tif", Reading(nodata=float("nan"))
    with Scene.open([scene], reading) as opened:
        model = toy_model(Failing(InputError(""), 15))
        with pytest.raises(InputError):
            predict_scene(opened, model, output, SETTINGS)
        assert predict_scene(opened, toy_model(), output, SETTINGS, resume=True).resumed > 0


def test_another_scene_of_the_same_name_is_not_gone_on_with(tmp_path: Path) -> None:
    """Addresses have no time of change to tell them apart by."""
    content = write_raster(tmp_path / "s_vv.tif", speckle(*SHAPE)).read_bytes()
    output = tmp_path / "map.tif"
    with serving(b"", files={f"{each}/s_vv.tif": content for each in "ab"}) as server:
        model = toy_model(Failing(InputError(""), 15))
        with (
            Scene.open([server.url("a/s_vv.tif")]) as opened,
            pytest.raises(InputError),
        ):
            predict_scene(opened, model, output, SETTINGS)
        with (
            Scene.open([server.url("b/s_vv.tif")]) as opened,
            pytest.raises(
                OutputError, match=r"the scene was http.*/a/s_vv\.tif and is now .*/b/s_vv\.tif"
            ),
        ):
            predict_scene(opened, toy_model(), output, SETTINGS, resume=True)


def test_memory_that_is_too_little_for_a_run_is_told(tmp_path: Path, scene: Path) -> None:
    output = tmp_path / "map.tif"
    left_unfinished(scene, output)
    settings = PredictSettings(**{**SETTINGS.__dict__, "memory": 1_000})
    with Scene.open([scene]) as opened, pytest.raises(UsageError, match="--memory") as refused:
        predict_scene(opened, toy_model(), output, settings, resume=True)
    told = re.search(r"not enough for 3 tiles at once .* give --memory (.*)GB", str(refused.value))
    assert told is not None
    settings = replace(settings, memory=round(float(told[1]) * 1e9))
    with Scene.open([scene]) as opened:
        predict_scene(opened, toy_model(), output, settings, resume=True)


def test_a_plan_of_what_is_left(tmp_path: Path, scene: Path) -> None:
    output = tmp_path / "map.tif"
    left_unfinished(scene, output)
    files = {path: path.read_bytes() for path in journal_folder(output).iterdir()}
    left_open = replace(SETTINGS, batch_size=None, precision="auto")
    with Scene.open([scene]) as opened:
        plan = plan_scene(opened, toy_model(), output, left_open, resume=True)
        assert (plan.tiles, plan.kept) == (130, saved_tiles(output))
        assert 0 < plan.kept < 130
        assert (plan.batch_size, plan.precision) == (3, "float32")
        assert plan.batches == -(-(130 - plan.kept) // 3)
        anew = plan_scene(opened, toy_model(), output, SETTINGS)
        assert (anew.kept, anew.batches) == (0, 44)
        with pytest.raises(OutputError, match="--overlap was 24 and is now 8"):
            plan_scene(opened, toy_model(), output, replace(SETTINGS, overlap=8), resume=True)
        assert {path: path.read_bytes() for path in journal_folder(output).iterdir()} == files
        assert predict_scene(opened, toy_model(), output, SETTINGS, resume=True).resumed == (
            plan.kept
        )


def test_a_plan_counts_what_is_left_of_each_strip(
    tmp_path: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sarseg.prediction.planning.WIDEST_STRIP", 200)
    output = tmp_path / "map.tif"
    with Scene.open([scene]) as opened:
        with pytest.raises(InputError):
            predict_scene(opened, toy_model(Failing(InputError(""), 30)), output, SETTINGS)
        plan = plan_scene(opened, toy_model(), output, SETTINGS, resume=True)
        monkeypatch.undo()
        seen: list[int] = []
        predict_scene(
            opened,
            toy_model(),
            output,
            SETTINGS,
            resume=True,
            progress=lambda done, total: seen.append(done),
        )
    assert plan.strips > 1
    assert plan.kept < seen[0]
    assert plan.batches >= len(seen)  # batches fill up where tiles are skipped


@pytest.mark.parametrize("call", [1, 2])
def test_interrupted_before_anything_was_saved(tmp_path: Path, scene: Path, call: int) -> None:
    """While the batch size is measured, and after."""
    settings = replace(SETTINGS, batch_size=None if call == 1 else 3)
    model = toy_model(Failing(KeyboardInterrupt(), call))
    with (
        Scene.open([scene]) as opened,
        pytest.raises(KeyboardInterrupt, match=r"stopped before anything of .*map\.tif was saved"),
    ):
        predict_scene(opened, model, tmp_path / "map.tif", settings)
    assert hidden_files(tmp_path) == []


def test_interrupted_before_more_was_saved(tmp_path: Path, scene: Path) -> None:
    left_unfinished(scene, tmp_path / "map.tif")
    model = toy_model(Failing(KeyboardInterrupt(), 1))
    with (
        Scene.open([scene]) as opened,
        pytest.raises(KeyboardInterrupt, match="of 130 tiles are kept: --resume goes on"),
    ):
        predict_scene(opened, model, tmp_path / "map.tif", SETTINGS, resume=True)


def test_rows_after_the_last_save_are_cut_off(tmp_path: Path) -> None:
    output, identity = tmp_path / "map.tif", {"strips": [[0, 5]], "shape": [9, 5]}
    bands = np.arange(30, dtype=np.uint8).reshape(2, 3, 5)

    def stopped() -> None:
        with Journal(output, identity, 2, resume=False) as journal:
            journal.append(0, bands)
            step = Step(4, TileCounts(segmented=4), ())
            position = journal.position.after(step, 3, np.zeros(256, np.int64))
            journal.save(position, np.ones((2, 2), np.uint32))
            journal.append(0, bands)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    with Journal(output, identity, 2, resume=True) as journal:
        assert journal.position.counts.segmented == 4
        sums = journal.sums()
        assert sums is not None
        assert (sums == 1).all()
        raw = np.fromfile(journal.strip_file(0), np.uint8).reshape(3, 2, 5)
        np.testing.assert_array_equal(raw.transpose(1, 0, 2), bands)
    assert not journal_folder(output).exists()
