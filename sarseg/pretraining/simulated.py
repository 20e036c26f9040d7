"""Training any network on simulated patches: what the embedded backbone went through.

``python -m sarseg.pretraining.simulated --baseline unet -o unet.safetensors`` gives a baseline the
same start, to be compared with from there (``weights`` of a run of ``sarseg compare``); ``--bands``
says of how many bands the scenes are.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW

from sarseg.ahead import Ahead
from sarseg.baselines import BASELINES, baseline
from sarseg.baselines.base import Baseline
from sarseg.datasets.synthetic.randomised import CHANNELS
from sarseg.model.bands import channels_from_bands, exact_inputs
from sarseg.model.network import Network
from sarseg.model.tensors import write_tensors
from sarseg.pretraining.bank import PATCHES, SIZE, PatchBank, Truth
from sarseg.pretraining.kept import COARSE
from sarseg.pretraining.parcels import EMBEDDING, parcel_loss
from sarseg.scenes.output import check_output
from sarseg.training.averaging import WeightAverage, copy_into
from sarseg.training.schedule import Schedule

_AHEAD = 2


@dataclass(frozen=True)
class PatchSettings:
    """How much to train; the rest is fixed."""

    steps: int = 1800
    batch_size: int = 4
    learning_rate: float = 5e-4
    seed: int = 2026


def train_on_patches(
    network: Network, bank: PatchBank, settings: PatchSettings, tell: Callable[[str], None]
) -> None:
    """Train all that trains in ``network``, which has ``EMBEDDING`` outputs, in bfloat16.

    Its moving average is what is left in it. ``tell`` is told of the losses now and then.
    """
    started = time.monotonic()
    schedule = Schedule("cosine", settings.steps, warmup=min(100, settings.steps // 10), floor=0.01)
    trained = [each for each in network.parameters() if each.requires_grad]
    optimiser = AdamW(trained, lr=settings.learning_rate, weight_decay=0.05, betas=(0.9, 0.98))
    average = WeightAverage(network, 0.995)
    drawing = torch.Generator().manual_seed(settings.seed)
    recent: list[list[float]] = []
    network.train()
    with Ahead(_batches(bank, settings), _AHEAD) as batches:
        for step, (bands, truth) in enumerate(batches, start=1):
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * schedule.factor(step - 1)
            with torch.autocast(bands.device.type, torch.bfloat16):
                answer = functional.avg_pool2d(network(bands), COARSE)
            loss = parcel_loss(answer.float(), truth, drawing)
            optimiser.zero_grad()
            torch.autograd.backward(loss.total)
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            average.update()
            recent.append([float(term.detach()) for term in loss])
            if step % 100 == 0 or step == settings.steps:
                terms = zip(loss._fields, np.mean(recent, axis=0), strict=True)
                figures = ", ".join(f"{name} {value:.4f}" for name, value in terms)
                tell(f"patches step {step} {figures}, {time.monotonic() - started:.0f} s")
                recent.clear()
    parameters = dict(network.named_parameters())
    copy_into({name: parameters[name].detach() for name in average.state}, average.state)


def _batches(bank: PatchBank, settings: PatchSettings) -> Iterator[tuple[Tensor, Truth]]:
    for step in range(settings.steps):
        generator = np.random.default_rng((settings.seed, step))
        yield bank.draw(settings.batch_size, generator)


def for_bands(state: Mapping[str, Tensor], chosen: Baseline, bands: int) -> dict[str, Tensor]:
    """Weights ``state`` of ``chosen`` for three channels as those of it for 1 to 3 ``bands``.

    The network answers to bands as it did to the channels that are mixed from them, as a SAM's are:
    the mixing is a part of its first layer.
    """
    own = chosen.build(bands, EMBEDDING).state_dict()
    names = [str(number) for number in range(bands)]
    mix = torch.tensor(channels_from_bands(exact_inputs(names)))
    return {
        name: weight
        if weight.shape == own[name].shape
        else torch.einsum("oc...,cb->ob...", weight, mix)
        for name, weight in state.items()
    }


def main() -> None:
    """Parse the settings, train a baseline and write its weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    trained = [name for name, kind in BASELINES.items() if kind.by_gradient]
    parser.add_argument("--baseline", required=True, choices=trained)
    parser.add_argument("--output", "-o", type=Path, required=True)
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--bands", type=int, default=CHANNELS, choices=range(1, CHANNELS + 1))
    parser.add_argument("--patches", type=int, default=PATCHES)
    parser.add_argument("--size", type=int, default=SIZE)
    for option, default in PatchSettings().__dict__.items():
        parser.add_argument(f"--{option.replace('_', '-')}", type=type(default), default=default)
    given = vars(parser.parse_args())
    name, output, overwrite, bands, patches, size = (
        given.pop(each) for each in ("baseline", "output", "overwrite", "bands", "patches", "size")
    )
    check_output(output, overwrite=overwrite)
    settings = PatchSettings(**given)
    torch.manual_seed(settings.seed)
    chosen = baseline(name)
    network = chosen.build(CHANNELS, EMBEDDING)
    bank = PatchBank(patches, size)
    train_on_patches(network, bank, settings, partial(print, flush=True))
    state = for_bands(network.state_dict(), chosen, bands)
    write_tensors(output, {name: each.contiguous() for name, each in state.items()})


if __name__ == "__main__":
    main()
