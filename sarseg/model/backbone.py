"""Weights of the frozen backbone: the embedded vit_t, or a SAM checkpoint that the user has."""

import hashlib
from importlib.resources import files
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from sarseg.errors import ModelError
from sarseg.model.segmenter import Segmenter
from sarseg.sam.encoder import ImageEncoder

EMBEDDED_BACKBONE = "vit_t"
EMBEDDED_WEIGHTS = "vit_t.safetensors"

# SAM keeps these two in its prompt encoder; a segmenter has no prompts and keeps them at its root.
_FROM_PROMPT_ENCODER = {
    "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (
        "pe_layer.positional_encoding_gaussian_matrix"
    ),
    "prompt_encoder.no_mask_embed.weight": "no_mask_embed.weight",
}

_RELEASED_CHECKPOINTS = {
    "vit_b": "sam_vit_b_01ec64.pth",
    "vit_l": "sam_vit_l_0b3195.pth",
    "vit_h": "sam_vit_h_4b8939.pth",
}


def embedded_file(name: str) -> Path:
    """Path of a file that is shipped inside the package."""
    return Path(str(files("sarseg.model") / "embedded" / name))


def backbone_file(backbone: str, given: Path | None) -> Path:
    """The weights of ``backbone``: the file given, or the embedded one.

    Raises ModelError where the file is missing, or where none is given and none is embedded.
    """
    if given is None and backbone == EMBEDDED_BACKBONE:
        return embedded_file(EMBEDDED_WEIGHTS)
    if given is None:
        checkpoint = _RELEASED_CHECKPOINTS.get(backbone, "a SAM checkpoint")
        raise ModelError(
            f"The backbone {backbone} needs Meta's weights, which sarseg does not ship. Download "
            f"{checkpoint} from the Segment Anything project and name it by --backbone-weights."
        )
    if not given.is_file():
        raise ModelError(f"The backbone weights {given} do not exist or are no file.")
    return given


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a ``.safetensors`` file or a PyTorch checkpoint, by name.

    Only tensors are ever read: a checkpoint that holds anything else is refused (ModelError).
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the bytes lead its parsers to
        raise ModelError(
            f"{path} cannot be read as model weights. Expected a .safetensors file or a PyTorch "
            "checkpoint of plain tensors; perhaps the download was cut short."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(
            f"{path} holds more than plain tensors by name; expected a SAM checkpoint, with names "
            "that begin image_encoder., prompt_encoder. and mask_decoder."
        )
    return state


def load_backbone(segmenter: Segmenter, path: Path, backbone: str) -> None:
    """Put SAM's weights into ``segmenter``; what the method or decoder added stays as it is.

    Raises ModelError where the file lacks weights of the encoder or has other sizes.
    """
    source = read_state(path)
    target = segmenter.state_dict()
    state = {_FROM_PROMPT_ENCODER.get(name, name): tensor for name, tensor in source.items()}
    state = {name: tensor for name, tensor in state.items() if name in target}
    missing = sorted(_names_in_sam(segmenter) - state.keys())
    misfits = [name for name, tensor in state.items() if tensor.shape != target[name].shape]
    if missing or misfits:
        found = (
            f"it has no {missing[0]}"
            if missing
            else (
                f"{misfits[0]} has the shape {tuple(state[misfits[0]].shape)}, "
                f"not {tuple(target[misfits[0]].shape)}"
            )
        )
        raise ModelError(f"{path} does not hold the weights of a {backbone} backbone: {found}.")
    segmenter.load_state_dict(state, strict=False)


def _names_in_sam(segmenter: Segmenter) -> set[str]:
    """Names in ``segmenter`` of what it takes from SAM whatever the method: encoder, positions."""
    with torch.device("meta"):
        encoder = ImageEncoder(segmenter.image_encoder.sizes)
    encoder_names = {f"image_encoder.{name}" for name in encoder.state_dict()}
    return encoder_names | set(_FROM_PROMPT_ENCODER.values())
