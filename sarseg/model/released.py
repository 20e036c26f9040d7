"""From the parameter names of the published systems' checkpoints to the segmenter's.

Nothing but names is changed, and nothing left out but what the system itself never runs. Names that
are not known stay: whether the result fits a segmenter is for loading to say.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from sarseg.errors import ModelError

State = Mapping[str, Tensor]
"""Parameters by name."""

NEVER_RUN = ".Depth_Adapter."
"""In the names of adapters that CWSAM's code builds and never runs."""

_PARTS = ("image_encoder.", "prompt_encoder.", "mask_decoder.")

_LANDMARKS = {
    system: re.compile(
        rf"(?P<wrappers>(?:[^.]+\.)*?)(?P<encoder>(?:image|vision)_encoder\.)?{names}\..+"
    )
    for system, names in {
        "cwsam": r"(?:blocks\.\d+\.(?:Space|MLP)_Adapter|prompt_generator\.lightweight_mlp_\d+)",
        "sam-adapter": r"task_adapter_(?:up|blocks)",
        "conv-lora": r"(?:blocks|layers)\.\d+\.attn\.qkv\.lora_moe_(?:gating|experts)",
    }.items()
}
"""Names inside the image encoder that one system alone has.

Before them may stand attributes of a training program (``module.``, ``model.``). Where that is all,
the image encoder was saved alone.
"""

_Renaming = tuple[tuple[str, str], ...]
"""Parts of names as regular expressions, and what takes their place; applied in this order."""

# the prompt encoder lies scattered at the root
_CWSAM: _Renaming = ((r"^(pe_layer|no_mask_embed)\.", r"prompt_encoder.\1."),)

_SAM_ADAPTER: _Renaming = (
    (r"task_adapter_blocks\.\d+\.up_projection\.", "task_adapter_up."),
    (
        r"^(?:image_encoder\.)?((?:HFC|patch_embed)_tune|task_adapter_(?:up|blocks))\.",
        r"image_encoder.prompt_generator.\1.",
    ),
)

_CLASSIFIER: _Renaming = (
    (r"^(?:mask_decoder\.)?(?:\w+_)?classifier(?:_mlps)?\.", "mask_decoder.classifier."),
)

_MLP = r"^(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head))\."

# transformers' SamModel
_TRANSFORMERS: _Renaming = (
    (r"^vision_encoder\.layers\.", "image_encoder.blocks."),
    (r"^vision_encoder\.", "image_encoder."),
    (r"\.patch_embed\.projection\.", ".patch_embed.proj."),
    (r"(\.(?:blocks|layers)\.\d+)\.layer_norm(\d)\.", r"\1.norm\2."),
    (r"\.neck\.conv1\.", ".neck.0."),
    (r"\.neck\.layer_norm1\.", ".neck.1."),
    (r"\.neck\.conv2\.", ".neck.2."),
    (r"\.neck\.layer_norm2\.", ".neck.3."),
    (
        r"^(?:shared_image_embedding|prompt_encoder\.shared_embedding)\.positional_embedding$",
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    ),
    (r"\.point_embed\.", ".point_embeddings."),
    (r"\.mask_embed\.conv1\.", ".mask_downscaling.0."),
    (r"\.mask_embed\.layer_norm1\.", ".mask_downscaling.1."),
    (r"\.mask_embed\.conv2\.", ".mask_downscaling.3."),
    (r"\.mask_embed\.layer_norm2\.", ".mask_downscaling.4."),
    (r"\.mask_embed\.conv3\.", ".mask_downscaling.6."),
    (r"\.layer_norm_final_attn\.", ".norm_final_attn."),
    (r"\.upscale_conv1\.", ".output_upscaling.0."),
    (r"\.upscale_layer_norm\.", ".output_upscaling.1."),
    (r"\.upscale_conv2\.", ".output_upscaling.3."),
    (_MLP + r"layers\.0\.", r"\1.layers.1."),
    (_MLP + r"proj_in\.", r"\1.layers.0."),
    (_MLP + r"proj_out\.", r"\1.layers.2."),
)


def system_of(state: State) -> str | None:
    """Name of the method whose checkpoint ``state`` is, or None."""
    return next((system for system in _LANDMARKS if _landmark(state, system)), None)


def from_cwsam(state: State) -> dict[str, Tensor]:
    """CWSAM's (arXiv 2401.02326), without its Depth_Adapters, which its code never runs.

    Raises ModelError, as all of these functions, where ``state`` is of another system.
    """
    running = {name: tensor for name, tensor in state.items() if NEVER_RUN not in name}
    return _renamed(running, "cwsam", _CWSAM)


def from_sam_adapter(state: State) -> dict[str, Tensor]:
    """SAM-Adapter's, in the PyTorch re-implementation: at the image encoder's root.

    ``state`` may hold the image encoder alone, with or without ``image_encoder.`` before its names,
    or only what was trained. Raises ModelError where the projection that all blocks share, of
    which each block's parameters hold a copy, is not one.
    """
    return _renamed(state, "sam-adapter", _SAM_ADAPTER)


def from_conv_lora(state: State) -> dict[str, Tensor]:
    """Conv-LoRA's (arXiv 2401.17868), by SAM's names or by those of ``transformers``' SamModel.

    A layer called ``classifier``, ``…_classifier`` or, as in the authors' code,
    ``output_classifier_mlps`` is taken for the classifier on the mask tokens.
    """
    of_transformers = any("vision_encoder.layers." in name for name in state)
    renaming = (_TRANSFORMERS if of_transformers else ()) + _CLASSIFIER
    return _renamed(state, "conv-lora", renaming)


def _landmark(state: State, system: str) -> re.Match[str] | None:
    return next(filter(None, map(_LANDMARKS[system].fullmatch, state)), None)


def _renamed(state: State, system: str, renaming: _Renaming) -> dict[str, Tensor]:
    landmark = _landmark(state, system)
    if landmark is None:
        raise ModelError(f"These weights are not of {system}: none of them has a name of its own.")
    home = "" if landmark["encoder"] else "image_encoder."
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        ours = name.removeprefix(landmark["wrappers"])
        for theirs, replacement in renaming:
            ours = re.sub(theirs, replacement, ours)
        if not ours.startswith(_PARTS):
            ours = home + ours
        if ours in renamed and not torch.equal(renamed[ours], tensor):
            raise ModelError(
                f"The weights {name} differ from others that hold the same parameter, "
                f"{ours}. The checkpoint is damaged, or of another system."
            )
        renamed[ours] = tensor
    return renamed
