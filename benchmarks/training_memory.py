"""Memory and time of one training step at SAM's own size: ``python -m benchmarks.training_memory``.

CWSAM on vit_b with random weights of Meta's names and shapes, one chip of 1024 x 1024 a step, by
``sarseg train --dry-run`` in a process of its own each. Memory is the peak of the tensors on a GPU,
else of the whole process, Python and libraries included; it is compared with the first row and with
the 12 GB of a common GPU.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.measuring import GIGABYTE, device_name
from sarseg.datasets.chips import write_chips
from sarseg.datasets.synthetic import simulate, write_scene
from sarseg.model.backbone import sam_shapes
from sarseg.sam.architecture import architecture

SIDE = 1024
BUDGET_GB = 12.0
VARIANTS = {
    "float32": ["--precision", "32"],
    "float32, gradient checkpointing": ["--precision", "32", "--gradient-checkpointing"],
    "bfloat16": ["--precision", "bf16"],
    "bfloat16, gradient checkpointing": ["--precision", "bf16", "--gradient-checkpointing"],
}


def random_weights(backbone: str, path: Path) -> None:
    """A checkpoint that loads, of numbers that mean nothing."""
    generator = torch.Generator().manual_seed(0)
    shapes = sam_shapes(architecture(backbone))
    state = {name: torch.randn(shape, generator=generator) / 50 for name, shape in shapes.items()}
    torch.save(state, path)


def chips(folder: Path) -> Path:
    """One chip of a simulated scene."""
    scene, labels = folder / "scene.tif", folder / "labels.tif"
    write_scene(simulate(1, SIDE, SIDE), scene, labels)
    write_chips([str(scene)], folder / "chips", labels=labels, size=SIDE, quicklook=False)
    return folder / "chips"


def main() -> None:
    """Measure all variants and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="vit_b")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    print(device_name("cuda" if torch.cuda.is_available() else "cpu"))
    print(f"{arguments.backbone}, {SIDE} x {SIDE}, batch 1, CWSAM with the classwise decoder\n")
    print(f"{'':<34}{'peak GB':>9}{'of first':>10}{'of 12 GB':>10}{'step s':>9}{'of first':>10}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        weights = folder / "weights.pth"
        random_weights(arguments.backbone, weights)
        dataset = chips(folder)
        first: dict[str, float] | None = None
        for name, options in VARIANTS.items():
            command = [
                *(sys.executable, "-m", "sarseg", "train", "--dataset", dataset, "--dry-run"),
                *("-o", folder / "model.safetensors", "--batch-size", "1", "--json", "--quiet"),
                *("--backbone", arguments.backbone, "--backbone-weights", weights),
                *("--device", arguments.device, *options),
            ]
            words = [str(word) for word in command]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            result = json.loads(done.stdout)
            first = first or result
            peak, seconds = result["peak_memory"] / GIGABYTE, result["step_seconds"]
            print(
                f"{name:<34}{peak:9.2f}{result['peak_memory'] / first['peak_memory']:10.2f}"
                f"{peak / BUDGET_GB:10.2f}{seconds:9.1f}{seconds / first['step_seconds']:10.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
