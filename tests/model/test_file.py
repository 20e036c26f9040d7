"""The model file: what goes in comes out, and nothing else is accepted."""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from sarseg.adapters import method
from sarseg.classes import complete_legend
from sarseg.decoders import decoder
from sarseg.errors import ModelError
from sarseg.filters.preparation import Preparation
from sarseg.filters.statistics import BandScaling
from sarseg.model.backbone import backbone_file, load_backbone, read_state
from sarseg.model.bands import exact_inputs
from sarseg.model.card import ModelCard
from sarseg.model.checkpoints import RELEASED, file_sha256
from sarseg.model.file import load_model, save_model, trained_state
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import architecture


@pytest.fixture
def segmenter() -> Segmenter:
    torch.manual_seed(4)
    model = Segmenter(
        architecture("vit_t"),
        method("cwsam"),
        decoder("classwise"),
        inputs=exact_inputs(["VV", "VH"]),
        num_classes=3,
    )
    load_backbone(model, backbone_file("vit_t", None), "vit_t")
    for parameter in trained_state(model).values():
        parameter.add_(0.01 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(
        backbone="vit_t",
        backbone_sha256=file_sha256(backbone_file("vit_t", None)),
        method="cwsam",
        classes=complete_legend([1, 2, 7]),
        inputs=exact_inputs(["VV", "VH"]),
        preparation=Preparation(
            scaling=(BandScaling(centre=-12, spread=3), BandScaling(centre=-19, spread=3))
        ),
        tile_size=448,
    )


def test_a_saved_model_predicts_the_same(
    tmp_path: Path, segmenter: Segmenter, card: ModelCard
) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, segmenter, card)
    loaded = load_model(path)
    assert loaded.card == card
    assert loaded.sha256 == file_sha256(path)
    image = torch.randn(1, 2, 448, 448)
    with torch.inference_mode():
        assert torch.equal(loaded.segmenter(image), segmenter(image))


def test_only_what_trains_is_stored(tmp_path: Path, segmenter: Segmenter, card: ModelCard) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, segmenter, card)
    names = load_file(path).keys()
    assert names == trained_state(segmenter).keys()
    assert not any(".attn." in name and name.startswith("image_encoder.") for name in names)


def test_the_shipped_model_loads_and_is_small_enough() -> None:
    loaded = load_model()
    assert loaded.card.inputs.optional
    files = backbone_file("vit_t", None).parent.glob("*.safetensors")
    assert sum(path.stat().st_size for path in files) <= 20e6


def test_another_backbone_is_refused_by_its_hash(
    tmp_path: Path, segmenter: Segmenter, card: ModelCard
) -> None:
    path, other = tmp_path / "model.safetensors", tmp_path / "other.safetensors"
    save_model(path, segmenter, card)
    save_file({name: 2 * t for name, t in load_file(backbone_file("vit_t", None)).items()}, other)
    with pytest.raises(ModelError, match="SHA-256"):
        load_model(path, backbone_weights=other)


def test_a_backbone_of_ones_own_is_not_to_be_downloaded(
    tmp_path: Path, card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARSEG_CACHE", str(tmp_path))
    path = tmp_path / "model.safetensors"
    for sha256, words in (
        ("0" * 64, "which are not Meta's: name the file by --backbone-weights"),
        (RELEASED["vit_b"].sha256, "sarseg weights download vit_b"),
    ):
        of_card = card.model_copy(update={"backbone": "vit_b", "backbone_sha256": sha256})
        save_file({"x": torch.zeros(1)}, path, metadata={"sarseg": of_card.model_dump_json()})
        with pytest.raises(ModelError, match=words):
            load_model(path)


def test_a_backbone_of_other_sizes_is_refused(tmp_path: Path, segmenter: Segmenter) -> None:
    path = tmp_path / "wide.safetensors"
    state = load_file(backbone_file("vit_t", None))
    save_file(state | {"image_encoder.pos_embed": torch.zeros(1, 64, 64, 768)}, path)
    with pytest.raises(ModelError, match="pos_embed has the shape"):
        load_backbone(segmenter, path, "vit_t")


def test_a_backbone_without_all_of_the_encoder_is_refused(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    path = tmp_path / "part.safetensors"
    state = load_file(backbone_file("vit_t", None))
    del state["image_encoder.blocks.3.attn.qkv.weight"]
    save_file(state, path)
    with pytest.raises(ModelError, match=r"blocks\.3\.attn\.qkv\.weight"):
        load_backbone(segmenter, path, "vit_t")


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path("executed").touch, ())


def test_a_pickle_is_not_executed(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"image_encoder.pos_embed": _Evil()}, "sam_vit_b.pth")
    with pytest.raises(ModelError, match="cannot be read as model weights"):
        load_backbone(segmenter, Path("sam_vit_b.pth"), "vit_b")
    assert not Path("executed").exists()


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\xff" * 100])
def test_other_files_are_no_models(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is no sarseg model"):
        load_model(path)


def test_a_safetensors_file_without_card_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="without sarseg's card"):
        load_model(path)


def test_a_truncated_model_is_refused(
    tmp_path: Path, segmenter: Segmenter, card: ModelCard
) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, segmenter, card)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="is no sarseg model"):
        load_model(path)


def test_a_card_of_another_format_is_refused(
    tmp_path: Path, segmenter: Segmenter, card: ModelCard
) -> None:
    path = tmp_path / "model.safetensors"
    text = card.model_dump_json().replace('"format_version":2', '"format_version":99')
    save_file({"x": torch.zeros(1)}, path, metadata={"sarseg": text})
    with pytest.raises(ModelError, match="format_version"):
        load_model(path)


def test_a_missing_model_is_named() -> None:
    with pytest.raises(ModelError, match="nowhere"):
        load_model(Path("nowhere.safetensors"))


def test_backbones_that_are_not_shipped_say_what_to_download() -> None:
    with pytest.raises(ModelError, match=r"sam_vit_b_01ec64\.pth.*--backbone-weights"):
        backbone_file("vit_b", None)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK not a zip", b"# README", b"\x89PNG...."])
def test_other_files_are_no_backbone(tmp_path: Path, segmenter: Segmenter, content: bytes) -> None:
    path = tmp_path / "sam_vit_b.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"sam_vit_b\.pth cannot be read as model weights\. Expe"):
        load_backbone(segmenter, path, "vit_b")


@pytest.mark.parametrize("zipped", [True, False], ids=["of today", "of torch before 1.6"])
@pytest.mark.parametrize("extra", [argparse.Namespace(lr=1.0), np.float64(0.9), Path("data")])
def test_a_checkpoint_with_python_objects_is_not_called_cut_short(
    tmp_path: Path, extra: object, zipped: bool
) -> None:
    path = tmp_path / "theirs.pth"
    saved = {"state_dict": {"x": torch.ones(2)}, "extra": extra}
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"holds Python objects .* never executes") as caught:
        read_state(path)
    assert "cut short" not in str(caught.value)


def test_tensors_are_saved_without_python_objects_by_the_command_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved = {"state_dict": {"x": torch.ones(2)}, "args": argparse.Namespace(lr=1.0)}
    torch.save(saved, "theirs.pth")
    with pytest.raises(ModelError) as caught:
        read_state(Path("theirs.pth"))
    _, command, arguments = str(caught.value).partition("python -c")
    assert command
    subprocess.run(f"{sys.executable} -c{arguments}", shell=True, check=True)
    assert torch.equal(read_state(Path("weights.pth"))["x"], torch.ones(2))


def test_a_checkpoint_that_was_cut_short_says_so(tmp_path: Path) -> None:
    path = tmp_path / "sam_vit_b.pth"
    torch.save({"x": torch.ones(2000)}, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cut short"):
        read_state(path)


@pytest.mark.parametrize(
    "state",
    [
        {0: torch.ones(2)},
        {"x": torch.ones(2), 1: torch.ones(2)},
        {"x": 1},
        {"x": torch.ones(2).to_sparse()},
        {"x": torch.ones(2, device="meta")},
        [torch.ones(2)],
    ],
    ids=["numbered", "numbered in part", "no tensor", "sparse", "empty", "a list"],
)
def test_only_plain_tensors_by_name_are_weights(tmp_path: Path, state: object) -> None:
    torch.save(state, tmp_path / "theirs.pth")
    with pytest.raises(ModelError, match="more than plain tensors by name"):
        read_state(tmp_path / "theirs.pth")


def test_a_diverged_model_is_not_written(
    tmp_path: Path, segmenter: Segmenter, card: ModelCard
) -> None:
    next(iter(trained_state(segmenter).values())).fill_(float("nan"))
    with pytest.raises(ModelError, match="diverged"):
        save_model(tmp_path / "model.safetensors", segmenter, card)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tile_size", 450),
        ("classes", [{"id": 1, "name": name, "colour": [0, 0, 0]} for name in "ab"]),
        ("preparation", {"scaling": [{"centre": 0, "spread": 1}]}),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(
    card: ModelCard, field: str, value: object
) -> None:
    with pytest.raises(ValidationError):
        ModelCard.model_validate(card.model_dump() | {field: value})


def test_shipped_weights_are_half_precision() -> None:
    for path in backbone_file("vit_t", None).parent.glob("*.safetensors"):
        assert {tensor.dtype for tensor in load_file(path).values()} == {torch.float16}
