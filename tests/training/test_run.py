"""Training from chips to a model file that loads, on the shipped backbone."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from typer.testing import CliRunner

from sarseg.adapters import METHODS
from sarseg.cli import app
from sarseg.datasets.chips import write_chips
from sarseg.datasets.manifest import read_manifest
from sarseg.datasets.synthetic import simulate, write_scene
from sarseg.decoders import DECODERS
from sarseg.errors import DatasetError, ModelError, OutputError, UsageError
from sarseg.filters.chain import Filters
from sarseg.filters.despeckle import Kuan, Lee
from sarseg.filters.frequency import FrequencyFilter
from sarseg.model.file import load_model, trained_state
from sarseg.prediction.predictor import predict_scene
from sarseg.scenes.reader import Scene
from sarseg.training.run import train
from sarseg.training.settings import TrainSettings
from tests.rasters import speckle, write_raster


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chips of 128 px: the left half of a scene for training, the right half for validation."""
    folder = tmp_path_factory.mktemp("training")
    scene, labels, split = folder / "scene.tif", folder / "labels.tif", folder / "split.tif"
    write_scene(simulate(7, 256, 256), scene, labels)
    halves = np.ones((256, 256), np.uint8)
    halves[:, 128:] = 2
    with rasterio.open(labels) as like, rasterio.open(split, "w", **like.profile) as opened:
        opened.write(halves, 1)
    write_chips([str(scene)], folder / "chips", size=128, labels=labels, split=split)
    return folder / "chips"


def settings(chips: Path, **changes: object) -> TrainSettings:
    return TrainSettings(dataset=str(chips), **{"epochs": 2, **changes})


def test_a_trained_model_loads_and_tells_where_it_comes_from(chips: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    summary = train(
        settings(chips),
        tmp_path / "model.safetensors",
        overwrite=False,
        progress=lambda done, total, note: steps.append((done, total)),
    )
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.card.method == "cwsam"
    assert [entry.name for entry in loaded.card.classes][:2] == ["water", "woodland"]
    assert [slot.name for slot in loaded.card.inputs.slots] == ["VV", "VH"]
    assert not loaded.card.inputs.optional
    assert loaded.card.tile_size == 128
    assert loaded.card.training["chips"] == summary.chips == {"train": 2, "validation": 2}
    assert loaded.card.metrics["mIoU"] == summary.metrics["mIoU"]
    assert str(tmp_path) not in loaded.card.model_dump_json()
    assert steps == [(1, 2), (2, 2)]


def test_equal_seeds_give_equal_models_and_others_do_not(chips: Path, tmp_path: Path) -> None:
    states = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        path = tmp_path / f"{name}.safetensors"
        train(settings(chips, seed=seed, epochs=1), path, overwrite=False)
        states.append(trained_state(load_model(path).segmenter))
    first, same, other = states
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_scaling_comes_from_labelled_training_pixels_alone(chips: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    train(settings(chips, epochs=1, despeckle="none"), path, overwrite=False)
    scaling = load_model(path).card.preparation.scaling
    scene = simulate(7, 256, 256)
    known = scene.labels[:, :128] > 0
    for band, found in zip(("VV", "VH"), scaling, strict=True):
        decibels = 10 * np.log10(scene.bands[band][:, :128][known])
        low, centre, high = np.quantile(decibels, [0.158655, 0.5, 0.841345])
        assert found.centre == pytest.approx(centre, abs=0.01)
        assert found.spread == pytest.approx((high - low) / 2, abs=0.01)


def test_an_existing_model_is_not_replaced_unasked(chips: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="--overwrite"):
        train(settings(chips), path, overwrite=False)
    assert path.read_bytes() == b"precious"


def test_unknown_methods_are_refused_before_any_work(chips: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="choose one of"):
        train(settings(chips, method="sam3"), tmp_path / "m.safetensors", overwrite=False)


def test_one_class_in_boxes(chips: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    chosen = settings(
        chips,
        foreground="water",
        decoder="box-prompted",
        set={"decoder.box_scale": 1.25},
        gradient_checkpointing=True,
    )
    summary = train(chosen, path, overwrite=False)
    card = load_model(path).card
    assert [(entry.id, entry.name) for entry in card.classes] == [(0, "not water"), (1, "water")]
    assert (card.decoder, card.decoder_settings) == ("box-prompted", {"box_scale": 1.25})
    assert {"IoU water", "Dice water"} < card.metrics.keys()
    assert list(summary.class_pixels) == ["not water", "water"]
    assert all(summary.class_pixels.values())


@pytest.mark.parametrize("decoder", ["classwise", "mask-classification"])
def test_one_class_against_the_rest_for_every_decoder(
    chips: Path, tmp_path: Path, decoder: str
) -> None:
    path = tmp_path / "model.safetensors"
    chosen = {"foreground": "1", "decoder": decoder, "class_weights": "frequency", "epochs": 1}
    train(settings(chips, **chosen), path, overwrite=False)
    assert [entry.name for entry in load_model(path).card.classes] == ["not water", "water"]


def test_a_foreground_that_validation_lacks_is_told(chips: Path, tmp_path: Path) -> None:
    told: list[str] = []
    chosen = settings(chips, foreground="woodland", decoder="box-prompted")
    summary = train(chosen, tmp_path / "m.safetensors", overwrite=False, warn=told.append)
    assert any("No validation pixel is labelled woodland" in sentence for sentence in told)
    assert (summary.metrics, summary.best_epoch) == ({}, 2)


def test_a_foreground_that_training_lacks_is_refused(chips: Path, tmp_path: Path) -> None:
    chosen = settings(chips, foreground="bare soil", decoder="box-prompted")
    with pytest.raises(DatasetError, match=r"fewer than two classes \(found: not bare soil\)"):
        train(chosen, tmp_path / "m.safetensors", overwrite=False)


def test_of_two_classes_the_second_is_mapped_and_this_is_told(tmp_path: Path) -> None:
    scene, labels = tmp_path / "scene.tif", tmp_path / "labels.tif"
    write_scene(simulate(7, 128, 128), scene, labels)
    with rasterio.open(labels) as opened:
        profile, ids = opened.profile, opened.read(1)
    with rasterio.open(labels, "w", **profile) as opened:
        opened.write(np.where(ids == 1, 2, 1).astype(np.uint8), 1)
    write_chips([str(scene)], tmp_path / "chips", size=128, labels=labels)
    told: list[str] = []
    chosen = settings(tmp_path / "chips", decoder="box-prompted", epochs=1)
    train(chosen, tmp_path / "m.safetensors", overwrite=False, warn=told.append)
    assert "The model will map class 2, the second class of chips" in told[0]


def test_chips_that_are_filtered_are_not_filtered_again(chips: Path, tmp_path: Path) -> None:
    """What `tile` did to the chips is what `predict` will do to scenes."""
    filters = Filters(despeckle=Lee(size=7, looks=3), frequency=FrequencyFilter(low_pass=0.3))
    filtered = tmp_path / "filtered"
    shutil.copytree(chips, filtered)
    manifest = read_manifest(filtered)
    manifest.model_copy(update={"filters": filters}).write(filtered)
    path = tmp_path / "model.safetensors"
    train(settings(filtered, epochs=1), path, overwrite=False)
    card = load_model(path).card
    assert (card.preparation.despeckle, card.preparation.frequency) == (
        filters.despeckle,
        filters.frequency,
    )
    train(settings(chips, epochs=1, despeckle="none"), tmp_path / "p.safetensors", overwrite=False)
    plain = load_model(tmp_path / "p.safetensors").card
    assert card.preparation.scaling == plain.preparation.scaling  # the same pixels, as they are
    with pytest.raises(UsageError, match="were filtered when they were made"):
        train(settings(filtered, despeckle="none"), tmp_path / "q.safetensors", overwrite=False)


def test_filters_that_look_past_the_chips_are_refused(chips: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"pixels far.* 128 x 128: filter the scene"):
        train(settings(chips, low_pass=0.005), tmp_path / "m.safetensors", overwrite=False)


def test_looks_are_estimated_from_the_training_chips(chips: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    train(settings(chips, epochs=1, despeckle="kuan"), path, overwrite=False)
    despeckle = load_model(path).card.preparation.despeckle
    assert isinstance(despeckle, Kuan)
    assert despeckle.looks is not None
    assert 2 < despeckle.looks < 6  # the simulator's four


def test_the_model_knows_the_pixels_it_was_trained_on(chips: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    train(settings(chips, epochs=1), path, overwrite=False)
    assert load_model(path).card.pixel_size == pytest.approx(3.0, rel=1e-3)


def test_auxiliary_bands_go_from_the_scene_into_the_map(tmp_path: Path) -> None:
    """The class can be told from the angle alone: without it half the pixels would be right."""
    rows, cols = np.indices((128, 128))
    angle = np.where(cols < 64, 25.0, 40.0) + rows * 1e-3
    bands = np.stack([speckle(128, 128), angle]).astype(np.float32)
    scene = write_raster(tmp_path / "s.tif", bands, descriptions=["VV", "incidence_angle"])
    labels = write_raster(tmp_path / "labels.tif", (1 + (cols >= 64)).astype(np.uint8))
    write_chips([str(scene)], tmp_path / "chips", labels=labels, size=64)
    chosen = settings(tmp_path / "chips", epochs=20, learning_rate=1e-3)
    train(chosen, tmp_path / "m.safetensors", overwrite=False)
    model = load_model(tmp_path / "m.safetensors")
    vv, incidence = model.card.preparation.scaling
    assert (vv.auxiliary, incidence.auxiliary) == (False, True)
    with Scene.open([scene]) as opened:
        predict_scene(opened, model, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as found:
        assert (found.read(1) == 1 + (cols >= 64)).mean() > 0.7


def test_settings_keep_the_filter_with_its_looks(chips: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    train(settings(chips, epochs=1, looks=2), path, overwrite=False)
    assert load_model(path).card.preparation.despeckle == Lee(looks=2)


def run(*arguments: str, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "SARSEG_DATA"}
    if data is not None:
        environment["SARSEG_DATA"] = str(data)
    return subprocess.run(
        [sys.executable, "-m", "sarseg", "train", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_the_command_prints_one_json_object(chips: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.safetensors"
    arguments = ["--dataset", str(chips), "-o", str(output), "--epochs", "1", "--json", "--quiet"]
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout)["output"] == str(output)
    assert output.is_file()


def test_settings_of_method_and_decoder_reach_the_model(chips: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.safetensors"
    assigned = ("method.adapter_ratio=0.5", "decoder.skip=no", "method.adapter_ratio=0.125")
    arguments = [word for text in assigned for word in ("--set", text)]
    done = run("--dataset", str(chips), "-o", str(output), "--epochs", "1", *arguments)
    assert done.returncode == 0, done.stderr
    card = load_model(output).card
    assert card.method_settings["adapter_ratio"] == 0.125
    assert card.decoder_settings == {"skip": False}


def test_help_names_the_published_methods_and_every_decoder() -> None:
    shown = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "250"}).stdout
    published = ("cwsam", "conv-lora", "sam-adapter")
    assert [name for name in (*published, *DECODERS) if name not in shown] == []
    assert METHODS.keys() >= set(published)


def test_bare_fusar_without_data_shows_the_layout(tmp_path: Path) -> None:
    done = run("--dataset", "fusar", "-o", str(tmp_path / "model.safetensors"), data=tmp_path)
    assert done.returncode == 6
    assert "SAR" in done.stderr
    assert "LAB" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--epochs", "0"], 2, "--epochs"),
        (["--class-weights", "many"], 2, "--class-weights"),
        (["--backbone", "vit_x"], 5, "vit_t, vit_b"),
        (["--backbone", "vit_b"], 5, "--backbone-weights"),
        (["-o", "nowhere/model.safetensors"], 4, "nowhere"),
        (["-o", f"{'long' * 100}.safetensors"], 4, "cannot be written"),
        (["--learning-rate", "inf"], 2, "--learning-rate"),
        (["--device", "tpu"], 2, "--device"),
        (["--decoder", "unet"], 5, "classwise, mask-classification"),
        (["--decoder", "box-prompted"], 2, "by --foreground: water, woodland"),
        (["--foreground", "lakes"], 6, "water (1)"),
        (["--set", "method.ratio=1"], 5, "adapter_ratio"),
        (["--set", "method.adapter_ratio"], 2, "is not of the form NAME=VALUE"),
        (["--set", "encoder.depth=3"], 2, "method|decoder|loss|despeckle|augment.NAME"),
        (
            ["--decoder", "box-prompted", "--foreground", "water", "--class-weights", "frequency"],
            2,
            "leave out --class-weights",
        ),
        (["--foreground", "water", "--class-weights", "published"], 2, "not for one against"),
    ],
)
def test_wrong_options_get_a_sentence(
    chips: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    output = tmp_path / "model.safetensors"
    before = signal.getsignal(signal.SIGTERM)
    done = CliRunner().invoke(
        app, ["train", "--dataset", str(chips), "-o", str(output), *arguments]
    )
    signal.signal(signal.SIGTERM, before)
    assert done.exit_code == code, done.stderr
    assert words in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_gpu_that_is_not_there_gets_a_sentence(chips: Path, tmp_path: Path) -> None:
    done = run("--dataset", str(chips), "-o", str(tmp_path / "m.safetensors"), "--device", "cuda")
    assert done.returncode == 2
    assert "--device cpu" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_does_not_replace_the_data_it_comes_from(chips: Path) -> None:
    before = (chips / "chips.json").read_bytes()
    with pytest.raises(OutputError, match="among the training data"):
        train(settings(chips), chips / "chips.json", overwrite=True)
    assert (chips / "chips.json").read_bytes() == before


def test_a_size_that_the_backbone_was_not_made_for_is_told(chips: Path, tmp_path: Path) -> None:
    told: list[str] = []
    train(settings(chips, epochs=1), tmp_path / "m.safetensors", overwrite=False, warn=told.append)
    assert any("448 x 448" in sentence and "128" in sentence for sentence in told)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_says_so(chips: Path, tmp_path: Path, how: signal.Signals) -> None:
    output = tmp_path / "model.safetensors"
    arguments = ["--dataset", str(chips), "-o", str(output), "--epochs", "100000"]
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "sarseg", "train", *arguments],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = ""
        while "steps: " not in said:  # the first progress line: it is in the middle of it
            said += process.stderr.readline()
        process.send_signal(how)
        said += process.stderr.read()
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert "--resume goes on" in said
    # nothing is left but what it goes on from
    assert [path.name for path in tmp_path.iterdir()] == ["model.run"]
    assert {path.name for path in (tmp_path / "model.run").iterdir()} == {"logs", "state.pt"}
