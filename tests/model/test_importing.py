"""Checkpoints of the published systems become model files that answer as the originals do."""

import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from sarseg.adapters import method
from sarseg.classes import unnamed_class
from sarseg.decoders import decoder
from sarseg.errors import ModelError, OutputError
from sarseg.model.backbone import backbone_file, load_backbone
from sarseg.model.bands import exact_inputs
from sarseg.model.file import load_model
from sarseg.model.importing import ImportReport, import_checkpoint
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import architecture
from tests.model.test_released import by_transformers

RGB = exact_inputs(["red", "green", "blue"])
CLASSES = 3

State = dict[str, Tensor]
Release = Callable[[Segmenter], State]


def adapted(
    name: str, decoder_name: str, num_classes: int, queries: int = 0, **settings: object
) -> Segmenter:
    """A segmenter on vit_t whose trained weights are anything but what they begin as."""
    torch.manual_seed(5)
    decoding = decoder(decoder_name, {"queries": queries} if queries else {})
    model = Segmenter(architecture("vit_t"), method(name, settings), decoding, RGB, num_classes)
    load_backbone(model, backbone_file("vit_t", None), "vit_t")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.02 * torch.randn_like(parameter))
    return model.eval()


def released_cwsam(model: Segmenter) -> State:
    """All weights, under the names of the authors' code, with the adapters it never runs."""
    with torch.no_grad():
        model.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.normal_()
    state = {}
    for name, tensor in model.state_dict().items():
        if name.startswith("prompt_encoder."):
            name = name.removeprefix("prompt_encoder.")
            if not name.startswith(("pe_layer.", "no_mask_embed.")):
                continue
        state[name] = tensor
    for block in range(12):
        state[f"image_encoder.blocks.{block}.Depth_Adapter.D_fc1.weight"] = torch.zeros(48, 192)
    return state


def released_sam_adapter(model: Segmenter) -> State:
    """What was trained alone; the shared projection once more under every block."""
    generator = "image_encoder.prompt_generator."
    state = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            state[name.replace(generator, "image_encoder.")] = parameter.detach()
    for kind in ("weight", "bias"):
        shared = state[f"image_encoder.task_adapter_up.{kind}"]
        for i in range(13):
            state[f"image_encoder.task_adapter_blocks.{i}.up_projection.{kind}"] = shared
    return state


def released_conv_lora(model: Segmenter) -> State:
    """What was trained, as the authors' code has it: in transformers' SamModel.

    The iou head is frozen, and all mask tokens share the first hypernetwork.
    """
    mlps = "mask_decoder.output_hypernetworks_mlps."
    state = {}
    for name, tensor in by_transformers(dict(model.state_dict())).items():
        shared = name.startswith(mlps) and not name.startswith(f"{mlps}0.")
        if ".lora_" in name or (
            name.startswith("mask_decoder.") and "iou_prediction_head" not in name and not shared
        ):
            name = name.replace("classifier", "output_classifier_mlps")
            state[f"model.model.{name}"] = tensor
    return state


def released_low_rank(model: Segmenter) -> State:
    """The low-rank parameters alone."""
    return {name: t for name, t in released_conv_lora(model).items() if ".lora_" in name}


def original(
    name: str, decoder_name: str, num_classes: int, release: Release, **settings: object
) -> tuple[Segmenter, State]:
    """A model and its checkpoint; what the checkpoint does not hold is SAM's in the model too."""
    model = adapted(name, decoder_name, num_classes, **settings)
    if release is released_low_rank:
        untouched = adapted("decoder-only", decoder_name, num_classes)
        load_backbone(untouched, backbone_file("vit_t", None), "vit_t")
        model.mask_decoder.load_state_dict(untouched.mask_decoder.state_dict())
    if decoder_name == "mask-classification":
        first, *others = model.mask_decoder.output_hypernetworks_mlps
        for other in others:
            other.load_state_dict(first.state_dict())
    return model, release(model)


def answers(model: Segmenter, boxes: list[Tensor] | None) -> Tensor:
    generator = torch.Generator().manual_seed(8)
    image = torch.randn(1, 3, 448, 448, generator=generator)
    with torch.inference_mode():
        logits: Tensor = model(image, boxes)
    return logits


BOX = [torch.tensor([[40.0, 60.0, 300.0, 350.0]])]


CWSAM_SETTINGS = {"adapter_ratio": 0.5, "scale_factor": 16, "embedding_order": "released"}
SYSTEMS = {
    "cwsam": ("cwsam", "classwise", CLASSES, released_cwsam, CWSAM_SETTINGS),
    "sam-adapter": ("sam-adapter", "box-prompted", 2, released_sam_adapter, {"hidden_dim": 16}),
    "conv-lora": ("conv-lora", "box-prompted", 2, released_conv_lora, {"rank": 2}),
    "conv-lora, encoder": ("conv-lora", "box-prompted", 2, released_low_rank, {"experts": 3}),
    "conv-lora, classes": (
        *("conv-lora", "mask-classification", CLASSES, released_conv_lora),
        {"experts": 2, "queries": 5},
    ),
}


@cache
def released(system: str) -> tuple[Segmenter, State]:
    name, decoder_name, num_classes, release, settings = SYSTEMS[system]
    return original(name, decoder_name, num_classes, release, **settings)


def imported(folder: Path, state: State, **options: Any) -> ImportReport:
    torch.save(state, folder / "theirs.pth")
    return import_checkpoint(folder / "theirs.pth", folder / "ours.safetensors", **options)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_an_imported_model_answers_as_the_original(
    tmp_path: Path, system: str, prefix: str
) -> None:
    model, state = released(system)
    saved = {f"{prefix}{key}": tensor for key, tensor in state.items()}
    if prefix:  # as training programs save it
        torch.save({"state_dict": saved, "epoch": 3}, tmp_path / "theirs.pth")
        report = import_checkpoint(tmp_path / "theirs.pth", tmp_path / "ours.safetensors")
    else:
        report = imported(tmp_path, saved)
    name, decoder_name, num_classes, *_ = SYSTEMS[system]
    assert (report.system, report.decoder, report.classes) == (name, decoder_name, num_classes)
    assert report.left_out == ()
    loaded = load_model(tmp_path / "ours.safetensors")
    boxes = BOX if decoder_name == "box-prompted" else None
    torch.testing.assert_close(answers(loaded.segmenter, boxes), answers(model, boxes))
    assert loaded.card.preparation.quantity == "amplitude"
    expected = ("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",)
    assert report.unlike_sam == (expected if name == "cwsam" else ())
    assert bool(report.from_sam) == (system == "conv-lora, encoder")
    assert len(report.never_run) == (12 if name == "cwsam" else 0)
    assert bool(report.doubts) == ((name, decoder_name) == ("conv-lora", "box-prompted"))


def test_the_report_tells_the_settings_that_are_assumed(tmp_path: Path) -> None:
    _, state = released("conv-lora")
    report = imported(tmp_path, state)
    assert report.assumed["alpha"] == report.settings["alpha"] == 8
    assert not report.assumed.keys() & {"rank", "experts"}
    report = imported(tmp_path, state, settings={"alpha": 4}, overwrite=True)
    assert "alpha" not in report.assumed
    assert report.settings["alpha"] == 4
    assert load_model(tmp_path / "ours.safetensors").card.method_settings["alpha"] == 4


def test_a_single_mask_token_is_joined_by_sam_s_and_that_is_told(tmp_path: Path) -> None:
    """As the authors' code trains Conv-LoRA for one class against the rest."""
    _, state = released("conv-lora")
    name = "mask_decoder.mask_tokens.weight"
    own = state[f"model.model.{name}"][:1]
    report = imported(tmp_path, state | {f"model.model.{name}": own.clone()})
    assert "trained with 1 of 4 mask tokens" in report.doubts[1]
    sams = load_file(backbone_file("vit_t", None))[name].float()
    tokens = load_model(tmp_path / "ours.safetensors").segmenter.mask_decoder.mask_tokens.weight
    assert torch.equal(tokens, torch.cat([own, sams[1:]]))


@pytest.mark.parametrize("system", [name for name in SYSTEMS if name != "conv-lora, encoder"])
def test_a_decoder_is_whole_or_left_as_in_sam(tmp_path: Path, system: str) -> None:
    _, state = released(system)
    lost = next(
        name for name in state if name.endswith("transformer.layers.0.self_attn.q_proj.bias")
    )
    with pytest.raises(
        ModelError, match=r"in part: it lacks 1 .*layers\.0\.self_attn\.q_proj\.bias"
    ):
        imported(tmp_path, {name: tensor for name, tensor in state.items() if name != lost})
    assert not (tmp_path / "ours.safetensors").exists()


@pytest.mark.parametrize("system", ["cwsam", "sam-adapter", "conv-lora"])
def test_a_decoder_may_lack_what_it_never_uses(tmp_path: Path, system: str) -> None:
    model, state = released(system)
    unused = ("iou_prediction_head", *(f"output_hypernetworks_mlps.{i}." for i in (1, 2, 3)))
    kept = {name: t for name, t in state.items() if not any(part in name for part in unused)}
    imported(tmp_path, kept)
    boxes = None if system == "cwsam" else BOX
    loaded = load_model(tmp_path / "ours.safetensors")
    torch.testing.assert_close(answers(loaded.segmenter, boxes), answers(model, boxes))


@pytest.fixture
def cwsam_state() -> State:
    return dict(released("cwsam")[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("mask_decoder.cls_upscaling.0.weight"), r"lacks 1 tensors.*cls_upscaling"),
        (lambda s: s.pop("mask_decoder.cls_upscaling.3.bias"), "is not whole"),
        (lambda s: s.pop("image_encoder.blocks.0.MLP_Adapter.D_fc1.weight"), "is not whole"),
        (lambda s: s.pop("image_encoder.prompt_generator.shared_mlp.weight"), "is not whole"),
        (
            lambda s: s.pop("no_mask_embed.weight"),
            r"no no_mask_embed\.weight\. CWSAM's mask decoder",
        ),
        (
            lambda s: s.pop("pe_layer.positional_encoding_gaussian_matrix"),
            "no pe_layer.positional_encoding_gaussian_matrix. CWSAM's mask decoder is trained with",
        ),
        (
            lambda s: s.update({"mask_decoder.iou_token.weight": torch.zeros(2, 128)}),
            r"iou_token\.weight in .* has the shape \(2, 128\)",
        ),
        (
            lambda s: s.update({"mask_decoder.cls_upscaling.3.bias": torch.zeros(16)}),
            "1 classes apart; expected 2 to 255",
        ),
        (
            lambda s: s.update({"mask_decoder.cls_upscaling.3.bias": torch.zeros(16 * 256)}),
            "256 classes apart; expected 2 to 255",
        ),
        (
            lambda s: s.update({"image_encoder.blocks.0.MLP_Adapter.D_fc1.weight": torch.zeros(9)}),
            r"D_fc1\.weight in .* has the shape \(9,\); expected 2 axes",
        ),
        (
            lambda s: s.update(
                {"image_encoder.prompt_generator.shared_mlp.weight": torch.zeros(192, 0)}
            ),
            r"shared_mlp\.weight in .* has the shape \(192, 0\); expected 2 axes, none of .* empty",
        ),
        (
            lambda s: [s.pop(n) for n in list(s) if ".blocks.11." in n],
            "11 blocks, 192 wide; the known ones are: vit_t",
        ),
        (lambda s: (s.clear(), s.update(conv=torch.zeros(1))), "is no checkpoint of CWSAM"),
        (dict.clear, "it has 0 tensors, the first is none"),
    ],
)
def test_what_does_not_match_is_refused_by_name(
    tmp_path: Path, cwsam_state: State, change: Callable[[State], object], words: str
) -> None:
    change(cwsam_state)
    with pytest.raises(ModelError, match=words):
        imported(tmp_path, cwsam_state)
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.pth"]


def mutate(state: State, name: str, how: str) -> None:
    tensor = state.pop(name)
    shapes = {
        "scalar": lambda: tensor.flatten()[0],
        "flat": tensor.flatten,
        "column": lambda: tensor.reshape(-1, 1),
        "an axis more": lambda: tensor[None],
        "empty": lambda: tensor[:0] if tensor.ndim else tensor,
        "half": lambda: tensor[: (len(tensor) + 1) // 2] if tensor.ndim else tensor,
        "twice": lambda: torch.cat([tensor, tensor]) if tensor.ndim else tensor,
        "turned": lambda: tensor.mT if tensor.ndim > 1 else tensor,
    }
    if how in shapes:
        state[name] = shapes[how]().clone()


TELLING = (
    r"D_fc1|shared_mlp|cls_upscaling.3|adapter_up|_tune|classifier|tokens?\.|0\..*lora_A|mlps.0"
)


@given(system=st.sampled_from(sorted(SYSTEMS)), data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_damaged_checkpoint_is_refused_or_makes_a_model(system: str, data: st.DataObject) -> None:
    state = dict(released(system)[1])
    telling = [name for name in state if re.search(TELLING, name)]
    names = st.sampled_from(telling) | st.sampled_from(list(state))
    kinds = ["dropped", "scalar", "flat", "column", "an axis more", "empty", "half", "twice"]
    for name in data.draw(st.sets(names, max_size=3)):
        mutate(state, name, data.draw(st.sampled_from([*kinds, "turned"])))
    with tempfile.TemporaryDirectory() as folder:
        try:
            imported(Path(folder), state)
        except ModelError:
            assert [path.name for path in Path(folder).iterdir()] == ["theirs.pth"]
        else:
            load_model(Path(folder) / "ours.safetensors")


def test_tensors_without_a_place_are_told(tmp_path: Path, cwsam_state: State) -> None:
    report = imported(tmp_path, cwsam_state | {"aux_head.weight": torch.zeros(1)})
    assert report.left_out == ("aux_head.weight",)


def test_classes_must_be_as_many_as_the_outputs(tmp_path: Path, cwsam_state: State) -> None:
    with pytest.raises(ModelError, match="3 classes apart, but 2 were named"):
        imported(tmp_path, cwsam_state, classes=[unnamed_class(1), unnamed_class(2)])


def test_an_existing_model_is_not_replaced_unasked(tmp_path: Path, cwsam_state: State) -> None:
    (tmp_path / "ours.safetensors").write_text("mine")
    with pytest.raises(OutputError, match="give --overwrite"):
        imported(tmp_path, cwsam_state)
    assert (tmp_path / "ours.safetensors").read_text() == "mine"
    imported(tmp_path, cwsam_state, overwrite=True)
    load_model(tmp_path / "ours.safetensors")


def test_the_checkpoint_is_not_replaced(tmp_path: Path, cwsam_state: State) -> None:
    torch.save(cwsam_state, tmp_path / "theirs.pth")
    with pytest.raises(OutputError, match="also an input"):
        import_checkpoint(tmp_path / "theirs.pth", tmp_path / "theirs.pth", overwrite=True)


def test_a_pickle_is_not_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path(tmp_path / "executed").touch, ())

    torch.save({"image_encoder.x": Evil()}, tmp_path / "theirs.pth")
    with pytest.raises(ModelError, match="cannot be read as model weights"):
        import_checkpoint(tmp_path / "theirs.pth", tmp_path / "ours.safetensors")
    assert not (tmp_path / "executed").exists()
