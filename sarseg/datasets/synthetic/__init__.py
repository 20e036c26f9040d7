"""Simulated SAR scenes with a known land cover: for the demonstration, tests and benchmarks."""

from sarseg.datasets.synthetic.files import write_scene
from sarseg.datasets.synthetic.legend import CLASSES
from sarseg.datasets.synthetic.samples import (
    FIRST_TRAINING_SEED,
    HELDOUT_SEED,
    SAMPLE_SEED,
    write_sample_data,
)
from sarseg.datasets.synthetic.scene import SimulatedScene, simulate

__all__ = [
    "CLASSES",
    "FIRST_TRAINING_SEED",
    "HELDOUT_SEED",
    "SAMPLE_SEED",
    "SimulatedScene",
    "simulate",
    "write_sample_data",
    "write_scene",
]
