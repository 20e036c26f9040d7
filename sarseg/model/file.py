"""The model file: one ``.safetensors`` file with what training changed, and a card that says what.

``predict`` needs it and the backbone it was trained on, nothing else; where training began with
random weights, all are in the file. Nothing in it is executed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from sarseg.adapters import method
from sarseg.decoders import decoder
from sarseg.errors import ModelError
from sarseg.model.backbone import EMBEDDED_BACKBONE, backbone_file, embedded_file, load_backbone
from sarseg.model.card import ModelCard
from sarseg.model.checkpoints import RELEASED, cached, file_sha256
from sarseg.model.network import Network
from sarseg.model.segmenter import Segmenter
from sarseg.model.tensors import write_tensors
from sarseg.sam.architecture import architecture

_CARD_KEY = "sarseg"
EMBEDDED_MODEL = "simulated.safetensors"


@dataclass(frozen=True)
class LoadedModel:
    """A network in evaluation mode on ``device``, its card, and the SHA-256 of its file and of
    the backbone's, which is empty where the model has none."""

    segmenter: Network
    card: ModelCard
    sha256: str
    device: str = "cpu"
    backbone_sha256: str = ""


def trained_state(segmenter: Network) -> dict[str, Tensor]:
    """The parameters that train, by name."""
    return {
        name: parameter.detach()
        for name, parameter in segmenter.named_parameters()
        if parameter.requires_grad
    }


def save_model(
    path: Path,
    segmenter: Segmenter,
    card: ModelCard,
    *,
    also: Iterable[str] = (),
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write the trained parameters and the card; the file appears whole or not at all.

    ``also`` names frozen weights to store, where they are not those of the backbone.

    Raises ModelError where a parameter is not finite, OutputError where writing fails.
    """
    frozen = segmenter.state_dict()
    state = {
        name: tensor.to("cpu", dtype).contiguous()
        for name, tensor in (trained_state(segmenter) | {n: frozen[n] for n in also}).items()
    }
    broken = [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ModelError(
            f"The model {path} was not written: {broken[0]} holds values that are no numbers, so "
            "training has diverged. Choose a smaller --learning-rate."
        )
    write_tensors(path, state, metadata={_CARD_KEY: card.model_dump_json()})


def read_card(path: Path) -> ModelCard:
    """The card of a model file; ModelError where ``path`` is none."""
    if not path.is_file():
        raise ModelError(f"The model {path} does not exist or is no file.")
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except SafetensorError as error:
        raise ModelError(
            f"{path} is no sarseg model ({error}). Expected the .safetensors file that "
            "`sarseg train` writes."
        ) from error
    if _CARD_KEY not in metadata:
        raise ModelError(
            f"{path} is a safetensors file without sarseg's card. Expected the file that "
            "`sarseg train` writes."
        )
    try:
        return ModelCard.model_validate_json(metadata[_CARD_KEY])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(
            f"The card of the model {path} cannot be used: {place}: {first['msg']}. "
            "It may have been written by another version of sarseg."
        ) from error


def segmenter_of(card: ModelCard) -> Segmenter:
    """A segmenter as ``card`` describes it, before any weights are loaded."""
    return Segmenter(
        architecture(card.backbone),
        method(card.method, card.method_settings),
        decoder(card.decoder, card.decoder_settings),
        card.inputs,
        num_classes=len(card.classes),
    )


def load_model(
    path: Path | None = None,
    *,
    backbone_weights: Path | None = None,
    any_backbone: bool = False,
    device: str = "cpu",
) -> LoadedModel:
    """Read a model file and its backbone; ``path`` None is the model shipped with sarseg.

    Raises ModelError where the file is no model, where it holds all weights and
    ``backbone_weights`` are given, or, unless ``any_backbone``, where these are not those that it
    was trained on (told by their SHA-256).
    """
    path = embedded_file(EMBEDDED_MODEL) if path is None else path
    card = read_card(path)
    if card.holds_backbone and backbone_weights is not None:
        raise ModelError(
            f"{path} holds all of its weights, as training began with random ones: leave "
            "--backbone-weights out."
        )
    weights, found = None, ""
    if not card.holds_backbone:
        weights, found = _backbone_of(path, card, backbone_weights, any_backbone)
    segmenter = segmenter_of(card)
    if weights is not None:
        load_backbone(segmenter, weights, card.backbone)
    _load_own(segmenter, path, whole=card.holds_backbone)
    return LoadedModel(segmenter.eval().to(device), card, file_sha256(path), device, found)


def _backbone_of(
    path: Path, card: ModelCard, given: Path | None, any_backbone: bool
) -> tuple[Path, str]:
    """The file of what the model in ``path`` was trained on, and its SHA-256."""
    released = {release.sha256 for release in RELEASED.values()}
    own = card.backbone != EMBEDDED_BACKBONE and card.backbone_sha256 not in released
    if own and given is None and not any_backbone and cached(card.backbone) is None:
        raise ModelError(
            f"{path} was trained on {card.backbone} weights with the SHA-256 "
            f"{card.backbone_sha256[:12]}…, which are not Meta's: name the file by "
            "--backbone-weights."
        )
    weights = backbone_file(card.backbone, given)
    found = file_sha256(weights)
    if found != card.backbone_sha256 and not any_backbone:
        raise ModelError(
            f"{path} was trained on {card.backbone} weights with the SHA-256 "
            f"{card.backbone_sha256[:12]}…, but {weights} has {found[:12]}…. "
            "Give the weights it was trained on by --backbone-weights; --any-backbone takes these "
            "all the same."
        )
    return weights, found


def _load_own(segmenter: Segmenter, path: Path, *, whole: bool) -> None:
    """Whatever trains must be in the file, or all of a ``whole`` network; of others, frozen weights
    may be, where they are not SAM's."""
    state = load_file(path)
    known = segmenter.state_dict()
    needed = known if whole else trained_state(segmenter)
    wrong = sorted(needed.keys() - state.keys()) or [
        name
        for name, tensor in state.items()
        if name not in known or tensor.shape != known[name].shape
    ]
    if wrong:
        raise ModelError(
            f"{path} does not fit its own card: {len(wrong)} parameters are missing, unknown or of "
            f"another shape, the first is {wrong[0]}. The file is damaged."
        )
    segmenter.load_state_dict(state, strict=False)
