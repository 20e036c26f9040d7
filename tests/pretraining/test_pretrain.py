"""A backbone from scenes without labels, and a model trained from it."""

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from sarseg.errors import OutputError, UsageError
from sarseg.model.backbone import backbone_file, sam_shapes
from sarseg.model.file import load_model
from sarseg.pretraining.pretrain import (
    METADATA_KEY,
    PretrainSettings,
    _Batch,
    _predicted,
    pretrain,
)
from sarseg.sam.architecture import architecture
from sarseg.training.run import train
from sarseg.training.settings import TrainSettings
from tests.rasters import hidden_files, speckle, write_raster
from tests.training.chips import two_band_chips

TINY = {"size": 48, "steps": 2, "batch_size": 2}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raster(tmp_path_factory.mktemp("scenes") / "s_vv.tif", speckle(160, 320))


def made(scene: Path, output: Path, **changes: object) -> dict[str, torch.Tensor]:
    pretrain([(str(scene),)], output, PretrainSettings(**{**TINY, **changes}))  # type: ignore[arg-type]
    return load_file(output)


def test_a_backbone_with_sams_names(scene: Path, tmp_path: Path) -> None:
    output = tmp_path / "b.safetensors"
    state = made(scene, output)
    shapes = sam_shapes(architecture("vit_t"))
    assert {name: tensor.shape for name, tensor in state.items()} == shapes
    assert {tensor.dtype for tensor in state.values()} == {torch.float16}
    began = load_file(backbone_file("vit_t", None))
    changed = {name for name, tensor in state.items() if not torch.equal(tensor, began[name])}
    assert any(name.startswith("image_encoder.blocks.0.") for name in changed)
    assert not any(name.startswith("prompt_encoder.") for name in changed)
    with safe_open(output, "pt") as opened:
        recipe = json.loads(opened.metadata()[METADATA_KEY])
    assert recipe["settings"]["steps"] == 2
    assert recipe["scenes"] == [{"name": "s_vv.tif", "height": 160, "width": 320}]
    assert set(recipe["losses"]) == {"constant", "before", "after"}
    assert str(scene.parent) not in json.dumps(recipe)


def test_seeds_decide(scene: Path, tmp_path: Path) -> None:
    first, again, other = (
        made(scene, tmp_path / f"{name}.safetensors", seed=seed, init="random", steps=1)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["image_encoder.pos_embed"], other["image_encoder.pos_embed"])


def test_it_learns(tmp_path: Path) -> None:
    stripes = np.where(np.arange(320) // 60 % 2, 1.0, 0.05)[None].repeat(160, 0)
    fields = write_raster(tmp_path / "f_vv.tif", (stripes * speckle(160, 320)).astype(np.float32))
    settings = PretrainSettings(size=48, steps=30, batch_size=4, learning_rate=5e-4)
    losses = pretrain([(str(fields),)], tmp_path / "b.safetensors", settings).losses
    assert losses.after < losses.before
    assert losses.after < losses.constant


def test_progress_begins_with_what_is_read(scene: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    pretrain(
        [(str(scene),)],
        tmp_path / "b.safetensors",
        PretrainSettings(**TINY),  # type: ignore[arg-type]
        progress=lambda *each: told.append(each),
    )
    assert told[0] == (0, 2, "reading s_vv.tif")
    assert [done for done, _, _ in told] == [0, 1, 2]


def test_a_departure_is_in_spreads() -> None:
    """What is 1 of the bands is as many decibels as the scene's spread."""
    shape = (1, 2, 4, 4)
    spread = torch.tensor([3.0, 6.0]).reshape(1, 2, 1, 1)
    ones = torch.ones(shape)
    batch = _Batch(ones, 5 * ones, ones.bool(), spread, torch.zeros(1, 1, 4, 4, dtype=torch.bool))
    log_mean = _predicted(lambda bands: bands, nullcontext())(batch)  # type: ignore[arg-type]
    torch.testing.assert_close(10 ** (spread / 10) * 5 * ones, log_mean.exp())


def test_an_interruption_leaves_nothing(scene: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int, note: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(
            [(str(scene),)],
            tmp_path / "b.safetensors",
            PretrainSettings(**TINY),  # type: ignore[arg-type]
            progress=interrupt,
        )
    assert not list(tmp_path.iterdir())


def test_a_model_is_trained_from_it(scene: Path, tmp_path: Path) -> None:
    output = tmp_path / "b.safetensors"
    made(scene, output)
    settings = TrainSettings(
        dataset=str(two_band_chips(tmp_path, 32)), backbone_weights=output, epochs=1, logger="none"
    )
    train(settings, tmp_path / "m.safetensors", overwrite=False)
    load_model(tmp_path / "m.safetensors", backbone_weights=output)


def test_what_makes_no_sense_is_refused_before_work(scene: Path, tmp_path: Path) -> None:
    output = tmp_path / "b.safetensors"
    for changes, words in (
        ({"size": 50}, "--size is 50; give a multiple of 16, 48 or more"),
        ({"size": 32}, "--size is 32"),
        ({"init": "released"}, "for Meta's backbones"),
        ({"learning_rate": 0.0}, "above 0"),
    ):
        with pytest.raises(UsageError, match=words):
            made(scene, output, **changes)
    with pytest.raises(OutputError, match="is also an input"):
        pretrain([(str(scene),)], scene, PretrainSettings(**TINY), overwrite=True)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    assert not hidden_files(scene.parent)
