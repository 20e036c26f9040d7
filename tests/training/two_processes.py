"""Trains tiny segmenters in data-parallel processes; run by torchrun from test_distributed.py.

Prints one line a process and combination: rank, name and a digest of all weights afterwards.
"""

import hashlib
import sys

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from sarseg.adapters import METHODS, method
from sarseg.decoders import DECODERS, decoder
from sarseg.model.bands import exact_inputs
from sarseg.model.segmenter import Segmenter
from sarseg.training.lightning_module import SegmentationTask
from sarseg.training.objectives import objective
from sarseg.training.schedule import Schedule
from sarseg.training.trainer import bare_trainer, quiet_lightning
from tests.sam.test_encoder import SMALL

STEPS = 3


class Chips(Dataset[tuple[Tensor, Tensor]]):
    """Noise with labels; other chips for each process."""

    def __len__(self) -> int:
        return 2 * STEPS

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(index)
        bands = torch.randn(1, 80, 80, generator=generator)
        return bands, (bands[0] > 0).long()


def train(method_name: str, decoder_name: str) -> str:
    torch.manual_seed(0)
    decoding = decoder(decoder_name)
    segmenter = Segmenter(SMALL, method(method_name), decoding, exact_inputs(["VV"]), 2)
    before = digest(segmenter)
    task = SegmentationTask(
        segmenter,
        objective(decoding, (1.0, 1.0)),
        learning_rate=1e-3,
        weight_decay=0.0,
        schedule=Schedule("cosine", STEPS, floor=0.1),
        batch_size=1,
    )
    with quiet_lightning():
        trainer = bare_trainer(devices=2, max_epochs=1, accelerator="cpu")
        chips = Chips()
        sampler = DistributedSampler(chips, 2, trainer.global_rank, shuffle=False)
        trainer.fit(task, DataLoader(chips, sampler=sampler))
    assert trainer.global_step == STEPS
    after = digest(segmenter)
    assert after != before
    return f"weights: {trainer.global_rank} {method_name}/{decoder_name} {after}"


def digest(segmenter: Segmenter) -> str:
    weights = torch.cat([parameter.detach().flatten() for parameter in segmenter.parameters()])
    return hashlib.sha256(weights.numpy().tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    torch.set_num_threads(1)
    combinations = [
        *((name, "classwise") for name in METHODS),
        *(("cwsam", name) for name in DECODERS if name != "classwise"),
    ]
    for combination in combinations:
        print(train(*combination))
        sys.stdout.flush()
