"""Weights of the backbone: the embedded vit_t, a SAM checkpoint that the user has, random ones."""

import pickle
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeGuard
from zipfile import is_zipfile

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sarseg.errors import ModelError, UsageError
from sarseg.model.checkpoints import RELEASED, cached, file_sha256
from sarseg.model.segmenter import Segmenter
from sarseg.model.tensors import write_tensors
from sarseg.sam.architecture import SamArchitecture, architecture
from sarseg.sam.decoder import MaskDecoder
from sarseg.sam.encoder import ImageEncoder
from sarseg.sam.prompts import PromptEncoder

EMBEDDED_BACKBONE = "vit_t"
EMBEDDED_WEIGHTS = "vit_t.safetensors"

Init = Literal["embedded", "released", "random"]
"""Where training may start from: the shipped weights, Meta's, or none."""

_WRAPPERS = ("state_dict", "model")


def embedded_file(name: str) -> Path:
    """Path of a file that is shipped inside the package."""
    return Path(str(files("sarseg.model") / "embedded" / name))


def backbone_file(backbone: str, given: Path | None) -> Path:
    """The weights of ``backbone``: the file given, the embedded one, or the one in the cache.

    Raises ModelError where the file is missing, or where none is given and none is at hand.
    """
    if given is not None:
        if not given.is_file():
            raise ModelError(f"The backbone weights {given} do not exist or are no file.")
        return given
    if backbone == EMBEDDED_BACKBONE:
        return embedded_file(EMBEDDED_WEIGHTS)
    at_hand = cached(backbone)
    if at_hand is None:
        raise ModelError(
            f"The backbone {backbone} needs Meta's weights, {RELEASED[backbone].file_name}, which "
            f"sarseg does not ship. Run: sarseg weights download {backbone}, or name the file by "
            "--backbone-weights."
        )
    return at_hand


def starting_file(backbone: str, init: Init | None, given: Path | None) -> Path | None:
    """The weights of ``backbone`` that training starts from; None where it starts from random ones.

    Without ``init`` and a file ``given`` they are the embedded ones, or else Meta's.

    Raises UsageError where ``init`` makes no sense, ModelError for an unknown backbone and as
    ``backbone_file`` does.
    """
    architecture(backbone)
    if init is not None and given is not None:
        raise UsageError(
            f"--init {init} and --backbone-weights {given} both say where training starts from: "
            "give one of them."
        )
    if init == "embedded" and backbone != EMBEDDED_BACKBONE:
        raise UsageError(
            f"--init embedded is for {EMBEDDED_BACKBONE}, whose weights are shipped; for "
            f"{backbone} choose --init released or random."
        )
    if init == "released" and backbone == EMBEDDED_BACKBONE:
        raise UsageError(
            f"--init released is for Meta's backbones, {', '.join(RELEASED)}; for "
            f"{EMBEDDED_BACKBONE} choose --init embedded or random."
        )
    return None if init == "random" else backbone_file(backbone, given)


def backbone_sha256(backbone: str, weights: Path) -> str:
    """SHA-256 of the file ``weights``; ModelError where it lies damaged in the cache."""
    found = file_sha256(weights)
    if weights == cached(backbone) and found != RELEASED[backbone].sha256:
        raise ModelError(
            f"{weights} is damaged: its SHA-256 is {found[:12]}…, expected "
            f"{RELEASED[backbone].sha256[:12]}…. Run: sarseg weights download {backbone}."
        )
    return found


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a ``.safetensors`` file or a PyTorch checkpoint, by name.

    Only tensors are ever read: a checkpoint that holds other objects is refused (ModelError). One
    that keeps its tensors under ``state_dict`` or ``model``, as training programs do, is unwrapped.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the bytes lead its parsers to
        raise ModelError(
            f"{path} cannot be read as model weights. {_fault(path, error)}"
        ) from error
    if isinstance(state, dict):
        state = next((state[key] for key in _WRAPPERS if isinstance(state.get(key), dict)), state)
    if not _is_plain(state):
        raise ModelError(
            f"{path} holds more than plain tensors by name; expected a SAM checkpoint, with names "
            "that begin image_encoder., prompt_encoder. and mask_decoder."
        )
    return state


def _fault(path: Path, error: Exception) -> str:
    if not isinstance(error, pickle.UnpicklingError) or not _is_pickled(path):
        return (
            "Expected a .safetensors file or a PyTorch checkpoint of plain tensors; perhaps the "
            "download was cut short."
        )
    return (
        "It holds Python objects beside its tensors, which sarseg never executes. Save its "
        "state_dict, or whatever it calls it, alone; this executes them, so do it only where you "
        f"trust the file: python -c \"import torch; torch.save(torch.load('{path}', "
        "map_location='cpu', weights_only=False)['state_dict'], 'weights.pth')\""
    )


def _is_pickled(path: Path) -> bool:
    """Whether torch wrote ``path``, as it does today (a zip archive) or did before 1.6 (a pickle).

    Other bytes are pickles of unknown instructions to torch.
    """
    with path.open("rb") as stream:
        return is_zipfile(path) or stream.read(1) == pickle.PROTO


def _is_plain(state: object) -> TypeGuard[dict[str, Tensor]]:
    return isinstance(state, dict) and all(
        isinstance(name, str)
        and isinstance(tensor, Tensor)
        and tensor.layout == torch.strided
        and not (tensor.is_meta or tensor.is_quantized)
        for name, tensor in state.items()
    )


def load_backbone(segmenter: Segmenter, path: Path, backbone: str) -> None:
    """Put SAM's weights into ``segmenter``; what the method or decoder added stays as it is.

    Raises ModelError where the file does not hold exactly the weights of SAM on ``backbone``.
    """
    state = read_state(path)
    expected = sam_shapes(architecture(backbone))
    misfits = [
        *(f"it has no {name}" for name in sorted(expected.keys() - state.keys())),
        *(f"it has {name}, which SAM has not" for name in sorted(state.keys() - expected.keys())),
        *(
            f"{name} has the shape {tuple(state[name].shape)}, not {tuple(shape)}"
            for name, shape in expected.items()
            if name in state and state[name].shape != shape
        ),
    ]
    if misfits:
        more = f" ({len(misfits)} differences in all)" if len(misfits) > 1 else ""
        raise ModelError(
            f"{path} does not hold the weights of a {backbone} backbone: {misfits[0]}{more}."
        )
    segmenter.load_state_dict(state, strict=False)


def initialise(segmenter: Segmenter) -> None:
    """Start a transformer from small weights, as ViTs are (truncated normal, 0.02)."""
    for module in segmenter.image_encoder.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    nn.init.trunc_normal_(segmenter.image_encoder.pos_embed, std=0.02)


def save_backbone(
    path: Path, segmenter: Segmenter, backbone: str, metadata: dict[str, str] | None = None
) -> None:
    """Write encoder and decoder as a whole SAM, with SAM's names, in float16.

    The prompt encoder is written as it began: nothing trains it.

    Raises ModelError where a weight is not finite, OutputError where writing fails.
    """
    whole = segmenter.state_dict()
    state = {
        name: whole[name].to("cpu", torch.float16).contiguous()
        for name in sam_shapes(architecture(backbone))
    }
    broken = [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ModelError(
            f"The backbone {path} was not written: {broken[0]} holds values that are no numbers, "
            "so training has diverged. Choose a smaller --learning-rate."
        )
    write_tensors(path, state, metadata)


def sam_shapes(sizes: SamArchitecture) -> dict[str, torch.Size]:
    """Name and shape of every tensor in a checkpoint of SAM with these ``sizes``."""
    with torch.device("meta"):
        parts: dict[str, nn.Module] = {
            "image_encoder": ImageEncoder(sizes),
            "prompt_encoder": PromptEncoder(sizes),
            "mask_decoder": MaskDecoder(sizes),
        }
    return {
        f"{part}.{name}": tensor.shape
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }
