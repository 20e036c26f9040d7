"""The sample data of the repository, and the rule that keeps training apart from it."""

from pathlib import Path
from typing import Final

from sarseg.datasets.synthetic.files import write_scene
from sarseg.datasets.synthetic.legend import CLASSES
from sarseg.datasets.synthetic.scene import simulate

SAMPLE_SEED: Final = 1
HELDOUT_SEED: Final = 2

FIRST_TRAINING_SEED: Final = 1000
"""Training seeds are 1000 and more; seeds below are for samples and tests."""

STEP_DB: Final = 0.25
"""Rounding of the sample files: an error of 0.07 dB rms under several dB of speckle."""

_SHAPES: Final = {SAMPLE_SEED: (1536, 2048), HELDOUT_SEED: (1536, 2048)}
_NAMES: Final = {SAMPLE_SEED: "scene", HELDOUT_SEED: "heldout"}

_README = """\
# Sample data

Simulated C-band SAR scenes (VV and VH, sigma0 in dB, 3 m pixels, four looks) and their truth.
No scene here is ever trained on: training seeds start at {first_training_seed}.

| file | what |
|---|---|
| `scene.tif`, `scene_truth.tif` | the demonstration scene, seed {sample_seed} |
| `heldout.tif`, `heldout_truth.tif` | the scene of the accuracy figures, seed {heldout_seed} |

Images: float32, NaN outside the swath, rounded to {step} dB. Truth: {legend}; 0 outside.

They regenerate to the same bytes (with the same library versions) with

    python -m sarseg.datasets.synthetic sample_data/
"""


def write_sample_data(folder: Path) -> list[Path]:
    """Writes both sample scenes, their truth and a README; returns the paths of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for seed, name in _NAMES.items():
        image, truth = folder / f"{name}.tif", folder / f"{name}_truth.tif"
        write_scene(simulate(seed, *_SHAPES[seed]), image, truth, unit="db", step_db=STEP_DB)
        written += [image, truth]
    readme = folder / "README.md"
    readme.write_text(_readme(), encoding="utf-8")
    return [*written, readme]


def _readme() -> str:
    legend = ", ".join(f"{entry.id} {entry.name}" for entry in CLASSES)
    return _README.format(
        first_training_seed=FIRST_TRAINING_SEED,
        sample_seed=SAMPLE_SEED,
        heldout_seed=HELDOUT_SEED,
        step=STEP_DB,
        legend=legend,
    )
