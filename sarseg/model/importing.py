"""Model files from the checkpoints that the authors of the three systems released.

Nothing in a checkpoint is executed: only its tensors are read. Names are mapped by
``sarseg.model.released``; sizes and settings are read off the shapes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sarseg.adapters import method
from sarseg.classes import MAX_CLASS_ID, LandCoverClass, unnamed_class
from sarseg.decoders import decoder
from sarseg.errors import ModelError
from sarseg.filters.preparation import Preparation
from sarseg.filters.statistics import BandScaling
from sarseg.model.backbone import (
    backbone_file,
    backbone_sha256,
    load_backbone,
    read_state,
    sam_shapes,
)
from sarseg.model.bands import BandInputs, BandSlot
from sarseg.model.card import ModelCard
from sarseg.model.checkpoints import file_sha256
from sarseg.model.file import save_model, trained_state
from sarseg.model.released import (
    NEVER_RUN,
    from_conv_lora,
    from_cwsam,
    from_sam_adapter,
    system_of,
)
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import ARCHITECTURES, SamArchitecture
from sarseg.scenes.output import check_output

ANY_BAND = ("VV", "HH", "VH", "HV", "SAR")
"""What fills the three channels of a model made for grey images, best first."""

_IMAGE_SCALING = tuple(
    BandScaling(centre=mean, spread=deviation)
    for mean, deviation in ((123.675, 58.395), (116.28, 57.12), (103.53, 57.375))
)
"""Mean and standard deviation of ImageNet's channels, 0..255, by which SAM scales its input."""

_DECODER = "mask_decoder."
_HYPERNETWORKS = f"{_DECODER}output_hypernetworks_mlps."
_CLASSIFIER = f"{_DECODER}classifier."
_MASK_TOKENS = f"{_DECODER}mask_tokens.weight"

_UNREAD = re.compile(rf"{_DECODER}(iou_prediction_head|output_hypernetworks_mlps\.[1-9]\d*)\.")
"""Of SAM's mask decoder, what decoders that read mask token 0 alone do without."""


@dataclass(frozen=True)
class ImportReport:
    """What became of a checkpoint.

    ``filled`` tensors of the model came from it; those in ``from_sam`` it lacks, and they stay as
    in SAM; those in ``unlike_sam`` differ from the frozen weights of the backbone file and were
    stored too; those in ``never_run`` the authors' own code builds and does not run; those in
    ``left_out`` the model has no place for. Of the method's ``settings``, ``assumed`` are as
    published, because neither the checkpoint nor the caller tells them. ``doubts`` are sentences.
    """

    output: Path
    system: str
    backbone: str
    decoder: str
    classes: int
    settings: dict[str, Any]
    assumed: dict[str, Any]
    filled: int
    from_sam: tuple[str, ...]
    unlike_sam: tuple[str, ...]
    never_run: tuple[str, ...]
    left_out: tuple[str, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class _Recognised:
    """A checkpoint with its tensors under sarseg's names, and the model that it belongs to."""

    system: str
    decoder: str
    backbone: str
    num_classes: int
    settings: dict[str, Any]
    state: dict[str, Tensor]
    decoder_settings: dict[str, Any] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def import_checkpoint(
    checkpoint: Path,
    output: Path,
    *,
    backbone_weights: Path | None = None,
    classes: Sequence[LandCoverClass] = (),
    bands: Sequence[str] = ANY_BAND,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> ImportReport:
    """Write the model file ``output`` from a released CWSAM, SAM-Adapter or Conv-LoRA checkpoint.

    ``backbone_weights`` is Meta's file that it was trained over, searched for in the cache without
    it. ``classes`` names the channels of its output in order (else ``class 0`` and so on);
    ``bands`` are those that may fill its input, best first: one band fills all three channels, as
    the authors feed grey images. ``settings`` are those of the method that the shapes do not tell.

    Raises ModelError where the checkpoint is of none of the three, of no known backbone, lacks
    tensors that SAM does not have either or a part of the mask decoder, or does not fit;
    OutputError where ``output`` cannot be written.
    """
    check_output(output, overwrite=overwrite, inputs=[checkpoint])
    theirs = read_state(checkpoint)
    found = _recognise(checkpoint, theirs)
    legend = _legend(checkpoint, classes, found.num_classes)
    weights = backbone_file(found.backbone, backbone_weights)
    weights_sha256 = backbone_sha256(found.backbone, weights)
    told = found.settings | dict(settings or {})
    adaptation = method(found.system, told)
    decoding = decoder(found.decoder, found.decoder_settings)
    inputs = BandInputs(
        slots=tuple(BandSlot(name=name, accepts=tuple(bands)) for name in ("red", "green", "blue"))
    )
    sizes = ARCHITECTURES[found.backbone]
    segmenter = Segmenter(sizes, adaptation, decoding, inputs, found.num_classes)
    load_backbone(segmenter, weights, found.backbone)
    found = _with_sams_tokens(found, segmenter)
    fitted = _fitted(checkpoint, segmenter, found, sizes)
    frozen = segmenter.state_dict()
    unlike_sam = sorted(
        name
        for name in fitted.keys() - trained_state(segmenter).keys()
        if not torch.equal(frozen[name], fitted[name].to(frozen[name].dtype))
    )
    segmenter.load_state_dict(fitted, strict=False)
    card = ModelCard(
        backbone=found.backbone,
        backbone_sha256=weights_sha256,
        method=found.system,
        method_settings=adaptation.model_dump(mode="json"),
        decoder=found.decoder,
        decoder_settings=decoding.model_dump(mode="json"),
        classes=legend,
        inputs=inputs,
        preparation=Preparation(despeckle=None, quantity="amplitude", scaling=_IMAGE_SCALING),
        tile_size=sizes.image_size,
        training={"imported": checkpoint.name, "sha256": file_sha256(checkpoint)},
    )
    save_model(output, segmenter, card, also=unlike_sam)
    return ImportReport(
        output=output,
        system=found.system,
        backbone=found.backbone,
        decoder=found.decoder,
        classes=found.num_classes,
        settings=card.method_settings,
        assumed={name: v for name, v in card.method_settings.items() if name not in told},
        filled=len(fitted),
        from_sam=tuple(sorted(trained_state(segmenter).keys() - fitted.keys())),
        unlike_sam=tuple(unlike_sam),
        never_run=tuple(sorted(name for name in theirs if NEVER_RUN in name)),
        left_out=tuple(sorted(found.state.keys() - fitted.keys())),
        doubts=found.doubts,
    )


def _recognise(checkpoint: Path, state: dict[str, Tensor]) -> _Recognised:
    match system_of(state):
        case "cwsam":
            return _recognise_cwsam(checkpoint, from_cwsam(state))
        case "sam-adapter":
            return _recognise_sam_adapter(checkpoint, from_sam_adapter(state))
        case "conv-lora":
            return _recognise_conv_lora(checkpoint, from_conv_lora(state))
    raise ModelError(
        f"{checkpoint} is no checkpoint of CWSAM (blocks.0.MLP_Adapter…), SAM-Adapter "
        "(task_adapter_up) or Conv-LoRA (lora_moe_experts): it has "
        f"{len(state)} tensors, the first is {next(iter(state), 'none')}."
    )


def _recognise_cwsam(checkpoint: Path, state: dict[str, Tensor]) -> _Recognised:
    for name in ("pe_layer.positional_encoding_gaussian_matrix", "no_mask_embed.weight"):
        if f"prompt_encoder.{name}" not in state:
            raise ModelError(
                f"{checkpoint} has no {name}. CWSAM's mask decoder is trained with a positional "
                "encoding and a dense prompt of its own, and SAM's do not fit it: save the whole "
                "state of the model."
            )
    encoder = "image_encoder."
    adapters = any("_Adapter." in name for name in state)
    prompts = any(name.startswith(f"{encoder}prompt_generator.") for name in state)
    settings: dict[str, Any] = {
        "adapters": adapters,
        "prompts": prompts,
        "embedding_order": "released",
    }
    width = 0
    if adapters:
        adapter = f"{encoder}blocks.0.MLP_Adapter.D_fc1.weight"
        inner, width = _shape(checkpoint, state, adapter, axes=2)
        settings["adapter_ratio"] = inner / width
    if prompts:
        shared = f"{encoder}prompt_generator.shared_mlp.weight"
        width, inner = _shape(checkpoint, state, shared, axes=2)
        settings["scale_factor"] = width // inner
    backbone = _backbone(checkpoint, width, _count(state, r"image_encoder\.blocks\.(\d+)\."))
    (outputs,) = _shape(checkpoint, state, f"{_DECODER}cls_upscaling.3.bias", axes=1)
    return _Recognised(
        system="cwsam",
        decoder="classwise",
        backbone=backbone,
        num_classes=outputs // (ARCHITECTURES[backbone].out_chans // 8),
        settings=settings,
        state=state,
    )


def _recognise_sam_adapter(checkpoint: Path, state: dict[str, Tensor]) -> _Recognised:
    generator = "image_encoder.prompt_generator."
    width, hidden = _shape(checkpoint, state, f"{generator}task_adapter_up.weight", axes=2)
    tune_dim, _ = _shape(checkpoint, state, f"{generator}HFC_tune.weight", axes=2)
    additions = _count(state, re.escape(generator) + r"task_adapter_blocks\.(\d+)\.")
    return _Recognised(
        system="sam-adapter",
        decoder="box-prompted",
        backbone=_backbone(checkpoint, width, additions - 1),
        num_classes=2,
        settings={"tune_dim": tune_dim, "hidden_dim": hidden},
        state=state,
    )


def _recognise_conv_lora(checkpoint: Path, state: dict[str, Tensor]) -> _Recognised:
    layer = "image_encoder.blocks.0.attn.qkv."
    rank, width = _shape(checkpoint, state, f"{layer}lora_A", axes=2)
    depth = _count(state, r"image_encoder\.blocks\.(\d+)\.")
    experts = _count(state, re.escape(layer) + r"lora_moe_experts\.(\d+)\.")
    found = _Recognised(
        system="conv-lora",
        decoder="box-prompted",
        backbone=_backbone(checkpoint, width, depth),
        num_classes=2,
        settings={"rank": rank, "experts": experts},
        state=state,
        doubts=("Conv-LoRA trains its decoder without prompts; in the model, boxes prompt it.",),
    )
    if any(name.startswith(_CLASSIFIER) for name in state):
        return _with_classifier(checkpoint, found)
    return found


def _with_classifier(checkpoint: Path, found: _Recognised) -> _Recognised:
    """Conv-LoRA's end-to-end head: a query a mask token; the classifier's last row is no object."""
    outputs, _ = _shape(checkpoint, found.state, f"{_CLASSIFIER}weight", axes=2)
    queries, _ = _shape(checkpoint, found.state, _MASK_TOKENS, axes=2)
    mlps = {name: t for name, t in found.state.items() if name.startswith(_HYPERNETWORKS)}
    first = f"{_HYPERNETWORKS}0."
    shared = {}
    if all(name.startswith(first) for name in mlps):  # the authors' tokens share one
        shared = {
            f"{_HYPERNETWORKS}{query}.{name.removeprefix(first)}": tensor
            for query in range(1, queries)
            for name, tensor in mlps.items()
        }
    return replace(
        found,
        decoder="mask-classification",
        decoder_settings={"queries": queries},
        num_classes=outputs - 1,
        state=found.state | shared,
        doubts=(),
    )


def _with_sams_tokens(found: _Recognised, segmenter: Segmenter) -> _Recognised:
    """For the decoder of boxes, which has all of SAM's mask tokens: SAM's own for missing ones."""
    sams = segmenter.state_dict()[_MASK_TOKENS]
    tokens = found.state.get(_MASK_TOKENS)
    if (
        found.decoder != "box-prompted"
        or tokens is None
        or tokens.shape[1:] != sams.shape[1:]
        or not 0 < len(tokens) < len(sams)
    ):
        return found
    return replace(
        found,
        state=found.state | {_MASK_TOKENS: torch.cat([tokens, sams[len(tokens) :]])},
        doubts=(
            *found.doubts,
            f"Its decoder is trained with {len(tokens)} of {len(sams)} mask tokens; the others are "
            "SAM's, and all of them attend to each other.",
        ),
    )


def _shape(
    checkpoint: Path, state: Mapping[str, Tensor], name: str, *, axes: int
) -> tuple[int, ...]:
    """Shape of the tensor ``name``; ModelError where it is not there, or has no such shape."""
    if name not in state:
        raise ModelError(f"{checkpoint} has no {name}: it is not whole.")
    shape = tuple(state[name].shape)
    if len(shape) != axes or 0 in shape:
        raise ModelError(
            f"{name} in {checkpoint} has the shape {shape}; expected {axes} axes, none of them "
            "empty. The checkpoint is damaged, or of another system."
        )
    return shape


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many numbers the names that begin with ``pattern`` have in its group."""
    return len({match[1] for match in map(re.compile(pattern).match, state) if match})


def _backbone(checkpoint: Path, width: int, depth: int) -> str:
    for name, sizes in ARCHITECTURES.items():
        if (sizes.embed_dim, sizes.depth) == (width, depth):
            return name
    raise ModelError(
        f"{checkpoint} belongs to an encoder of {depth} blocks, {width} wide; the known ones are: "
        + ", ".join(f"{name} ({s.depth}, {s.embed_dim})" for name, s in ARCHITECTURES.items())
        + "."
    )


def _fitted(
    checkpoint: Path, segmenter: Segmenter, found: _Recognised, sizes: SamArchitecture
) -> dict[str, Tensor]:
    """The tensors that have a place in ``segmenter``.

    Raises ModelError where a shape is wrong, where what SAM does not have is not all there, or
    where a part of the mask decoder is there and another would stay as in SAM.
    """
    places = segmenter.state_dict()
    fitted = {name: tensor for name, tensor in found.state.items() if name in places}
    for name, tensor in fitted.items():
        if tensor.shape != places[name].shape:
            raise ModelError(
                f"{name} in {checkpoint} has the shape {tuple(tensor.shape)}, but {found.system} "
                f"on {found.backbone} has {tuple(places[name].shape)}."
            )
    training = trained_state(segmenter).keys()
    missing = sorted(training - fitted.keys() - sam_shapes(sizes).keys())
    if missing:
        raise ModelError(
            f"{checkpoint} lacks {len(missing)} tensors of {found.system} that SAM does not have, "
            f"the first is {missing[0]}: it is not whole."
        )
    read = {name for name in training if name.startswith(_DECODER)}
    if found.decoder == "classwise":
        read = {name for name in read if not _UNREAD.match(name)}
    missing = sorted(read - fitted.keys())
    if missing and read & fitted.keys():
        raise ModelError(
            f"{checkpoint} holds the mask decoder in part: it lacks {len(missing)} of its "
            f"{len(read)} tensors, the first is {missing[0]}. It is not whole, or gives them other "
            "names."
        )
    return fitted


def _legend(
    checkpoint: Path, classes: Sequence[LandCoverClass], num_classes: int
) -> tuple[LandCoverClass, ...]:
    if not 2 <= num_classes <= MAX_CLASS_ID + 1:
        raise ModelError(
            f"{checkpoint} tells {num_classes} classes apart; expected 2 to {MAX_CLASS_ID + 1}."
        )
    if not classes:
        return tuple(unnamed_class(index) for index in range(num_classes))
    if len(classes) != num_classes:
        raise ModelError(
            f"{checkpoint} tells {num_classes} classes apart, but {len(classes)} were named."
        )
    return tuple(classes)
