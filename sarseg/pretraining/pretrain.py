"""A backbone trained on scenes without labels."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW

from sarseg.adapters import method
from sarseg.ahead import Ahead
from sarseg.decoders import decoder
from sarseg.errors import ModelError, UsageError
from sarseg.model.backbone import (
    Init,
    backbone_sha256,
    initialise,
    load_backbone,
    save_backbone,
    starting_file,
)
from sarseg.model.bands import exact_inputs
from sarseg.model.card import library_versions
from sarseg.model.segmenter import Segmenter
from sarseg.pretraining.masking import BLOCK, SHARE, hidden_blocks
from sarseg.pretraining.objective import log_window_mean, speckle_loss
from sarseg.pretraining.windows import Example, WindowSource
from sarseg.sam.architecture import architecture
from sarseg.scenes.collection import Files
from sarseg.scenes.output import check_output
from sarseg.scenes.reading import DEFAULT, Reading
from sarseg.training.schedule import Schedule

METADATA_KEY = "sarseg pretraining"
"""Under it the file says, as JSON, how it was made."""

_WEIGHT_DECAY = 0.05
_LARGEST_GRADIENT = 1.0
_WARMUP = 0.05
_AHEAD = 4
_OF_DECIBEL = math.log(10) / 10
"""What the logarithm of an intensity grows by with each decibel."""
_TRAINING, _JUDGING = 1, 2  # what random numbers are for, beside the seed

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class PretrainSettings:
    """How to train; ``size`` is the pixels of a window's side, a multiple of the patch size 16 and
    at least 48; ``batch_size`` the windows of a step. ``seed`` says all that is random."""

    backbone: str = "vit_t"
    init: Init | None = None
    backbone_weights: Path | None = None
    steps: int = 2000
    batch_size: int = 8
    learning_rate: float = 2e-4
    size: int = 224
    seed: int = 0
    precision: Literal["auto", "32", "bf16"] = "auto"


@dataclass(frozen=True)
class Losses:
    """Of the hidden pixels of the windows to judge by: of the network ``before`` and ``after``, and
    of the mean of what is seen of each window, ``constant``. Smaller is better."""

    constant: float
    before: float
    after: float


@dataclass(frozen=True)
class PretrainSummary:
    """What was done: of how many ``scenes``, with which ``bands``; ``held_out`` counts the windows
    to judge by."""

    output: Path
    backbone: str
    scenes: int
    bands: tuple[str, ...]
    windows: int
    held_out: int
    losses: Losses
    seconds: float


class _Batch(NamedTuple):
    """Windows (B, C, S, S), their spreads (B, C, 1, 1) in decibels, and what of them is hidden
    (B, 1, S, S)."""

    bands: Tensor
    intensity: Tensor
    valid: Tensor
    spread: Tensor
    hidden: Tensor

    def on(self, device: str) -> "_Batch":
        return _Batch(*(each.to(device) for each in self))


def pretrain(
    scenes: Sequence[Files],
    output: Path,
    settings: PretrainSettings,
    *,
    reading: Reading = DEFAULT,
    device: str = "cpu",
    overwrite: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda sentence: None,
) -> PretrainSummary:
    """Train a SAM to fill in what is hidden of windows of ``scenes``; write it as a backbone.

    The file has SAM's weights under SAM's names in float16, and says how it was made under
    ``METADATA_KEY``. ``progress(done, total, note)`` counts steps, of which none is done while
    scenes are read; ``warn`` is told what a person should know of the scenes.

    Raises UsageError, InputError, ModelError or OutputError; ``output`` appears when all is done.
    """
    started = time.monotonic()
    _check(settings)
    weights = starting_file(settings.backbone, settings.init, settings.backbone_weights)
    sha256 = "" if weights is None else backbone_sha256(settings.backbone, weights)
    check_output(output, overwrite=overwrite, inputs=[] if weights is None else [weights])

    def tell(note: str) -> None:
        if progress is not None:
            progress(0, settings.steps, note)

    with WindowSource.open(scenes, reading, settings.size, settings.seed, warn, tell) as source:
        files = [file for scene in source.scenes for file in scene.files]
        check_output(output, overwrite=overwrite, inputs=files)
        held_out = source.held_out
        network = _network(settings, source.bands, weights).to(device)
        half = _autocast(settings.precision, device)
        judging = _judging_batches(held_out, settings, device)
        constant = _judge(judging, _seen_mean)
        before = _judge(judging, _predicted(network, half))
        try:
            _optimise(network, source, settings, device, half, progress)
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f"{settings.batch_size} windows of {settings.size} pixels do not fit the memory of "
                "the GPU: choose a smaller --batch-size or --size."
            ) from error
        losses = Losses(constant, before, _judge(judging, _predicted(network, half)))
        recipe = _recipe(settings, source, sha256, len(held_out), losses)
    save_backbone(output, network, settings.backbone, {METADATA_KEY: json.dumps(recipe)})
    return PretrainSummary(
        output=output,
        backbone=settings.backbone,
        scenes=len(source.scenes),
        bands=source.bands,
        windows=settings.steps * settings.batch_size,
        held_out=len(held_out),
        losses=losses,
        seconds=time.monotonic() - started,
    )


def _check(settings: PretrainSettings) -> None:
    patch = architecture(settings.backbone).patch_size
    smallest = (BLOCK + 1) * patch
    if settings.size % patch or settings.size < smallest:
        raise UsageError(
            f"--size is {settings.size}; give a multiple of {patch}, {smallest} or more."
        )
    if not settings.learning_rate > 0:
        raise UsageError(f"--learning-rate is {settings.learning_rate:g}; give one above 0.")


def _network(settings: PretrainSettings, bands: Sequence[str], weights: Path | None) -> Segmenter:
    """The whole SAM, all of it to be trained, with an output for each band."""
    torch.manual_seed(settings.seed)
    network = Segmenter(
        architecture(settings.backbone),
        method("full"),
        decoder("classwise"),
        exact_inputs(bands),
        len(bands),
    )
    if weights is None:
        initialise(network)
    else:
        load_backbone(network, weights, settings.backbone)
    return network


def _optimise(
    network: Segmenter,
    source: WindowSource,
    settings: PretrainSettings,
    device: str,
    half: AbstractContextManager[object],
    progress: Progress | None,
) -> None:
    schedule = Schedule("cosine", settings.steps, warmup=round(_WARMUP * settings.steps))
    trained = [each for each in network.parameters() if each.requires_grad]
    optimiser = AdamW(trained, lr=settings.learning_rate, weight_decay=_WEIGHT_DECAY)
    predicted = _predicted(network, half)
    network.train()
    with Ahead(_training_batches(source, settings), _AHEAD) as batches:
        for step, read in enumerate(batches):
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * schedule.factor(step)
            batch = read.on(device)
            loss = _loss(predicted(batch), batch)
            if not torch.isfinite(loss):
                raise ModelError(
                    f"The loss of step {step + 1} is no number: training has diverged. Choose a "
                    "smaller --learning-rate."
                )
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(trained, _LARGEST_GRADIENT)
            optimiser.step()
            if progress is not None:
                progress(step + 1, settings.steps, f"loss {loss.item():.3f}")
    network.eval()


def _training_batches(source: WindowSource, settings: PretrainSettings) -> Iterator[_Batch]:
    for step in range(settings.steps):
        generator = np.random.default_rng((settings.seed, _TRAINING, step))
        examples = [source.draw(generator) for _ in range(settings.batch_size)]
        yield _batch(examples, settings, generator)


def _judging_batches(
    held_out: Sequence[Example], settings: PretrainSettings, device: str
) -> list[_Batch]:
    """The windows to judge by, hidden in the same places each time."""
    generator = np.random.default_rng((settings.seed, _JUDGING))
    return [
        _batch(held_out[start : start + settings.batch_size], settings, generator).on(device)
        for start in range(0, len(held_out), settings.batch_size)
    ]


def _batch(
    examples: Sequence[Example], settings: PretrainSettings, generator: np.random.Generator
) -> _Batch:
    patch = architecture(settings.backbone).patch_size
    hidden = [hidden_blocks(settings.size, patch, generator)[None] for _ in examples]
    parts = (
        [each.bands for each in examples],
        [each.intensity for each in examples],
        [each.valid for each in examples],
        [each.spread for each in examples],
        hidden,
    )
    return _Batch(*(torch.from_numpy(np.stack(part)) for part in parts))


def _predicted(
    network: Segmenter, half: AbstractContextManager[object]
) -> Callable[[_Batch], Tensor]:
    """The logarithm of the mean intensity (B, C, S, S), from what is not hidden.

    The network says by how much it departs from that of all that is seen of the window, in spreads
    of the scene, as it is shown the bands.
    """

    def predicted(batch: _Batch) -> Tensor:
        with half:
            departure: Tensor = network(batch.bands * ~batch.hidden)
        return _seen_mean(batch) + departure.float() * batch.spread * _OF_DECIBEL

    return predicted


def _seen_mean(batch: _Batch) -> Tensor:
    """The logarithm of the mean intensity of all that is seen of each window (B, C, 1, 1)."""
    return log_window_mean(batch.intensity, batch.valid & ~batch.hidden)


def _loss(log_mean: Tensor, batch: _Batch) -> Tensor:
    return speckle_loss(log_mean, batch.intensity, batch.valid & batch.hidden)


@torch.no_grad()
def _judge(batches: Sequence[_Batch], predicted: Callable[[_Batch], Tensor]) -> float:
    """The loss over all hidden pixels of ``batches``."""
    counts = [int((batch.valid & batch.hidden).sum()) for batch in batches]
    losses = [float(_loss(predicted(batch), batch)) for batch in batches]
    return float(np.average(losses, weights=counts)) if sum(counts) else 0.0


def _autocast(precision: str, device: str) -> AbstractContextManager[object]:
    if precision == "auto":
        precision = "bf16" if device == "cuda" and torch.cuda.is_bf16_supported() else "32"
    return torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext()


def _recipe(
    settings: PretrainSettings,
    source: WindowSource,
    sha256: str,
    held_out: int,
    losses: Losses,
) -> dict[str, Any]:
    """How the backbone was made; nothing of the machine."""
    told = asdict(settings)
    del told["backbone_weights"]
    return {
        "settings": told,
        "started_from": sha256 or "random weights",
        "weight_decay": _WEIGHT_DECAY,
        "hidden": {"share": SHARE, "block": BLOCK},
        "scenes": [
            {"name": scene.name, "height": scene.height, "width": scene.width}
            for scene in source.scenes
        ],
        "bands": source.bands,
        "held_out": held_out,
        "losses": asdict(losses),
        "versions": library_versions(),
    }
