"""Where training starts from: shipped weights, a file, or random ones."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sarseg.errors import ModelError, UsageError
from sarseg.inspection.model import inspect_model
from sarseg.model.backbone import backbone_file
from sarseg.model.file import load_model, read_card
from sarseg.training.data import PreparedChips
from sarseg.training.plan import plan
from sarseg.training.run import train
from sarseg.training.settings import TrainSettings
from sarseg.training.start import start
from tests.cli.conftest import sarseg  # noqa: F401
from tests.cli.running import Sarseg
from tests.training.chips import two_band_chips

EMBEDDED = backbone_file("vit_t", None)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_band_chips(tmp_path_factory.mktemp("start"), 32)


def settings(chips: Path | str = "chips", **changes: object) -> TrainSettings:
    return TrainSettings(dataset=str(chips), **{"epochs": 1, "logger": "none", **changes})


def from_random(chips: Path, path: Path, **changes: object) -> Path:
    train(settings(chips, init="random", method="full", **changes), path, overwrite=False)
    return path


@pytest.fixture(scope="module")
def model(chips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return from_random(chips, tmp_path_factory.mktemp("random") / "m.safetensors")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"init": "embedded", "backbone": "vit_b"}, "is for vit_t, whose weights are shipped"),
        ({"init": "released"}, "is for Meta's backbones, vit_b"),
        ({"init": "random", "backbone_weights": EMBEDDED}, "give one of them"),
        ({"init": "random"}, r"The method cwsam keeps weights.*choose --method full"),
        ({"init": "random", "method": "lora"}, r"choose --method full"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        start(settings(**changes))


def test_the_default_is_what_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(settings()) == start(settings(init="embedded"))
    assert start(settings()).weights == EMBEDDED
    monkeypatch.setenv("SARSEG_CACHE", str(tmp_path))
    for init in (None, "released"):
        with pytest.raises(ModelError, match="weights download vit_b"):
            start(settings(init=init, backbone="vit_b"))


def test_a_model_from_random_weights_needs_no_other_file(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sarseg.model.file.backbone_file", None)  # it would fail
    loaded = load_model(model)
    assert loaded.card.holds_backbone
    assert loaded.backbone_sha256 == ""
    stored = load_file(model)
    state = loaded.segmenter.state_dict()
    assert stored.keys() == state.keys()
    assert all(torch.equal(stored[name], state[name]) for name in stored)
    shipped = load_file(EMBEDDED)
    name = "image_encoder.blocks.0.attn.qkv.weight"
    assert state[name].std() == pytest.approx(0.02, rel=0.1)
    assert not torch.allclose(state[name], shipped[name].float(), atol=1e-2)


def test_a_backbone_for_it_is_refused(model: Path) -> None:
    with pytest.raises(ModelError, match=r"holds all of its weights.*leave --backbone-weights out"):
        load_model(model, backbone_weights=EMBEDDED, any_backbone=True)


def test_the_seed_decides(chips: Path, model: Path, tmp_path: Path) -> None:
    first = load_file(model)
    again = load_file(from_random(chips, tmp_path / "a.safetensors"))
    other = load_file(from_random(chips, tmp_path / "b.safetensors", seed=1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    name = "image_encoder.pos_embed"
    assert not torch.equal(first[name], other[name])


def test_a_file_that_lacks_a_frozen_weight_is_damaged(model: Path, tmp_path: Path) -> None:
    state = load_file(model)
    del state["prompt_encoder.no_mask_embed.weight"]
    path = tmp_path / "m.safetensors"
    save_file(state, path, {"sarseg": read_card(model).model_dump_json()})
    with pytest.raises(ModelError, match="does not fit its own card"):
        load_model(path)


def test_other_commands_take_it(
    chips: Path,
    model: Path,
    tmp_path: Path,
    sarseg: Sarseg,  # noqa: F811
) -> None:
    report = inspect_model(model)
    assert report.backbone_weights is None
    run = sarseg("info", model)
    assert run.code == 0
    assert "in the file: training began with random ones" in run.stdout + run.stderr
    scene = chips.parent / "scene.tif"
    run = sarseg("predict", scene, "--model", model, "-o", tmp_path / "map.tif")
    assert run.code == 0, run.stderr
    run = sarseg("inspect", model, "--scene", scene, "-o", tmp_path / "page.html")
    assert run.code == 5
    assert "trained from random weights" in run.stderr


@pytest.mark.parametrize("seed", range(4))
def test_of_every_class_labels_are_trained_on(chips: Path, seed: int) -> None:
    """Not those alone that a wide filter leaves inexact, along the edges of chips."""
    wide = {"looks": 4, "set": {"despeckle.size": 19}}
    whole, few = (
        plan(settings(chips, **wide, label_share=share, seed=seed)).training
        for share in (1.0, 1e-6)
    )

    def shown(prepared: PreparedChips) -> set[int]:
        return set().union(*(prepared[n][1].unique().tolist() for n in range(len(prepared))))

    assert shown(few) == shown(whole)


def test_less_labels(chips: Path, tmp_path: Path) -> None:
    whole = train(settings(chips), tmp_path / "whole.safetensors", overwrite=False)
    few = train(settings(chips, label_share=0.2), tmp_path / "few.safetensors", overwrite=False)
    assert whole is not None
    assert few is not None
    for name, count in whole.class_pixels.items():
        assert count == 0 or few.class_pixels[name] < count
    assert few.chips["validation"] == whole.chips["validation"]
    cards = [read_card(tmp_path / f"{name}.safetensors") for name in ("whole", "few")]
    assert cards[1].training["settings"]["label_share"] == 0.2
    # whether a judged dataset is divided as this one was does not depend on the share
    assert cards[0].training["split_digest"] == cards[1].training["split_digest"]
