"""Names of released checkpoints become those of a segmenter's parameters, all of them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sarseg.adapters import method
from sarseg.decoders import decoder
from sarseg.errors import ModelError
from sarseg.model.bands import exact_inputs
from sarseg.model.released import from_conv_lora, from_cwsam, from_sam_adapter, system_of
from sarseg.model.segmenter import Segmenter
from tests.sam.test_encoder import SMALL, randomise

State = dict[str, Tensor]


def ours(name: str, decoder_name: str = "classwise", num_classes: int = 3) -> State:
    """State of a segmenter with the method ``name``."""
    segmenter = Segmenter(
        SMALL, method(name), decoder(decoder_name), exact_inputs(["HH"]), num_classes
    )
    randomise(segmenter, 1)
    return segmenter.state_dict()


def only(state: State, part: str) -> State:
    return {name: tensor for name, tensor in state.items() if name.startswith(part)}


def renamed(state: State, old: str, new: str) -> State:
    return {name.replace(old, new): tensor for name, tensor in state.items()}


def assert_same(found: State, expected: State) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def released_sam_adapter() -> tuple[State, State]:
    """Ours, and the same as released."""
    state = ours("sam-adapter")
    theirs = renamed(state, "image_encoder.prompt_generator.", "image_encoder.")
    for i in range(SMALL.depth + 1):
        for kind in ("weight", "bias"):
            copy = theirs[f"image_encoder.task_adapter_up.{kind}"].clone()
            theirs[f"image_encoder.task_adapter_blocks.{i}.up_projection.{kind}"] = copy
    return state, theirs


def test_cwsam_s_scattered_prompts_are_gathered_and_dead_parameters_left_out() -> None:
    state = ours("cwsam")
    theirs = {
        name.removeprefix("prompt_encoder.")
        if name.startswith(("prompt_encoder.pe_layer", "prompt_encoder.no_mask_embed"))
        else name: tensor
        for name, tensor in state.items()
    }
    assert theirs.keys() != state.keys()
    theirs["image_encoder.blocks.0.Depth_Adapter.D_fc1.weight"] = torch.ones(2)
    assert_same(from_cwsam(theirs), state)


def test_sam_adapter_at_the_root_of_the_image_encoder() -> None:
    state, theirs = released_sam_adapter()
    assert_same(from_sam_adapter(theirs), state)


def test_sam_adapter_s_trained_parameters_alone() -> None:
    state, theirs = released_sam_adapter()
    frozen = ("image_encoder.blocks.", "image_encoder.neck.", "prompt_encoder.")
    partial = {name: tensor for name, tensor in theirs.items() if not name.startswith(frozen)}
    expected = {name: tensor for name, tensor in state.items() if not name.startswith(frozen)}
    assert_same(from_sam_adapter(partial), expected)


@pytest.mark.parametrize("copy", ["task_adapter_up", "task_adapter_blocks.2.up_projection"])
def test_sam_adapter_with_unequal_copies_is_refused(copy: str) -> None:
    _, theirs = released_sam_adapter()
    theirs[f"image_encoder.{copy}.bias"][0] += 1
    with pytest.raises(ModelError, match="up_projection"):
        from_sam_adapter(theirs)


PREFIXES = ("", "module.", "model.", "sam.", "net.", "module.model.sam.")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("alone", [False, True], ids=["whole", "the image encoder alone"])
@pytest.mark.parametrize(
    ("system", "convert"),
    [("cwsam", from_cwsam), ("sam-adapter", from_sam_adapter), ("conv-lora", from_conv_lora)],
)
def test_wherever_the_names_begin(
    system: str, convert: Callable[[State], State], alone: bool, prefix: str
) -> None:
    state, theirs = released_sam_adapter() if system == "sam-adapter" else [ours(system)] * 2
    if alone:
        state = only(state, "image_encoder.")
        theirs = renamed(only(theirs, "image_encoder."), "image_encoder.", "")
    theirs = {f"{prefix}{name}": tensor for name, tensor in theirs.items()}
    assert system_of(theirs) == system
    assert_same(convert(theirs), state)


def test_what_has_no_known_name_keeps_it() -> None:
    theirs = {f"model.{name}": tensor for name, tensor in ours("conv-lora").items()}
    extra = {"model.aux.weight": torch.ones(1), "loss.weight": torch.ones(1)}
    found = from_conv_lora(theirs | extra)
    assert found.keys() - ours("conv-lora").keys() == {"aux.weight", "loss.weight"}


# Meta's names, and those of the same tensors in SamModel of transformers 5.23.
TRANSFORMERS = [
    (
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        "shared_image_embedding.positional_embedding",
    ),
    ("prompt_encoder.point_embeddings.", "prompt_encoder.point_embed."),
    ("prompt_encoder.mask_downscaling.0.", "prompt_encoder.mask_embed.conv1."),
    ("prompt_encoder.mask_downscaling.1.", "prompt_encoder.mask_embed.layer_norm1."),
    ("prompt_encoder.mask_downscaling.3.", "prompt_encoder.mask_embed.conv2."),
    ("prompt_encoder.mask_downscaling.4.", "prompt_encoder.mask_embed.layer_norm2."),
    ("prompt_encoder.mask_downscaling.6.", "prompt_encoder.mask_embed.conv3."),
    ("image_encoder.patch_embed.proj.", "vision_encoder.patch_embed.projection."),
    ("image_encoder.neck.0.", "vision_encoder.neck.conv1."),
    ("image_encoder.neck.1.", "vision_encoder.neck.layer_norm1."),
    ("image_encoder.neck.2.", "vision_encoder.neck.conv2."),
    ("image_encoder.neck.3.", "vision_encoder.neck.layer_norm2."),
    ("image_encoder.blocks.", "vision_encoder.layers."),
    ("image_encoder.", "vision_encoder."),
    (".norm1.", ".layer_norm1."),
    (".norm2.", ".layer_norm2."),
    (".norm3.", ".layer_norm3."),
    (".norm4.", ".layer_norm4."),
    (
        "mask_decoder.transformer.norm_final_attn.",
        "mask_decoder.transformer.layer_norm_final_attn.",
    ),
    ("mask_decoder.output_upscaling.0.", "mask_decoder.upscale_conv1."),
    ("mask_decoder.output_upscaling.1.", "mask_decoder.upscale_layer_norm."),
    ("mask_decoder.output_upscaling.3.", "mask_decoder.upscale_conv2."),
    *(
        (f"mask_decoder.{mlp}.layers.{ours}.", f"mask_decoder.{mlp}.{theirs}.")
        for mlp in (
            "iou_prediction_head",
            *(f"output_hypernetworks_mlps.{token}" for token in range(10)),
        )
        for ours, theirs in ((0, "proj_in"), (1, "layers.0"), (2, "proj_out"))
    ),
]


def by_transformers(state: State) -> State:
    """``state`` under the names of transformers' SamModel, which has one tensor twice."""
    theirs = {}
    for name, tensor in state.items():
        for ours_, theirs_ in TRANSFORMERS:
            name = name.replace(ours_, theirs_, 1)
        theirs[name] = tensor
    shared = theirs["shared_image_embedding.positional_embedding"]
    return theirs | {"prompt_encoder.shared_embedding.positional_embedding": shared.clone()}


def test_conv_lora_by_the_names_of_transformers() -> None:
    state = ours("conv-lora", "box-prompted", num_classes=2)
    theirs = by_transformers(state)
    for name in (
        "vision_encoder.pos_embed",
        "vision_encoder.layers.2.layer_norm2.bias",
        "vision_encoder.layers.0.attn.qkv.lora_A",
        "mask_decoder.iou_token.weight",
        "mask_decoder.mask_tokens.weight",
        "mask_decoder.transformer.layers.1.layer_norm4.weight",
        "mask_decoder.transformer.layers.0.mlp.lin1.weight",
        "mask_decoder.transformer.layers.0.cross_attn_image_to_token.q_proj.weight",
        "mask_decoder.transformer.final_attn_token_to_image.out_proj.bias",
        "mask_decoder.output_hypernetworks_mlps.3.layers.0.weight",
        "mask_decoder.iou_prediction_head.proj_out.bias",
        "prompt_encoder.no_mask_embed.weight",
        "prompt_encoder.not_a_point_embed.weight",
    ):
        assert name in theirs
    assert_same(from_conv_lora(theirs), state)
    longer = {f"model.model.{name}": tensor for name, tensor in theirs.items()}
    assert_same(from_conv_lora(longer), state)


def test_conv_lora_s_trained_parameters_alone() -> None:
    state = ours("conv-lora")
    partial = {name: tensor for name, tensor in state.items() if ".lora_" in name}
    theirs = renamed(partial, "image_encoder.blocks.", "vision_encoder.layers.")
    assert_same(from_conv_lora(theirs), partial)


@pytest.mark.parametrize(
    "before",
    ["", "mask_", "mask_decoder.", "mask_decoder.class_"],
)
def test_conv_lora_s_classifier_has_many_names(before: str) -> None:
    state = ours("conv-lora", "mask-classification")
    theirs = renamed(state, "mask_decoder.classifier.", f"{before}classifier.")
    assert_same(from_conv_lora(theirs), state)
    theirs = renamed(state, "mask_decoder.classifier.", "mask_decoder.output_classifier_mlps.")
    assert_same(from_conv_lora(theirs), state)


@pytest.mark.parametrize("convert", [from_cwsam, from_sam_adapter, from_conv_lora])
def test_weights_of_another_system_are_refused(convert: Callable[[State], State]) -> None:
    sam = ours("decoder-only")
    assert system_of(sam) is None
    with pytest.raises(ModelError, match="are not of"):
        convert(sam)
