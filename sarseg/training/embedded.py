"""How the model that is shipped with sarseg was made: ``python -m sarseg.training.embedded``.

Three stages, all simulated. First vit_t is trained whole to tell the classes of simulated scenes
apart, under the classwise decoder. Then it goes on, as rounded to float16, on patches as different
from one another as sensors and crops are; the result is the backbone ``vit_t.safetensors``, with
SAM's names. That is frozen, as rounded to float16, CWSAM is installed on it and trained on the
scenes: ``simulated.safetensors``.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer, seed_everything
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, IterableDataset

from sarseg.adapters import method
from sarseg.assessment.confusion import scores_by_name
from sarseg.datasets.augment import drop_bands, turned
from sarseg.datasets.source import IGNORE
from sarseg.datasets.synthetic import CLASSES, FIRST_TRAINING_SEED, SimulatedScene, simulate
from sarseg.datasets.synthetic.scene import SPACING_M
from sarseg.decoders import decoder
from sarseg.filters.despeckle import Lee
from sarseg.filters.preparation import Preparation
from sarseg.filters.statistics import BandHistogram, BandScaling
from sarseg.model.backbone import (
    EMBEDDED_BACKBONE,
    EMBEDDED_WEIGHTS,
    embedded_file,
    initialise,
    load_backbone,
    save_backbone,
)
from sarseg.model.bands import CO_AND_CROSS_POL, exact_inputs
from sarseg.model.card import ModelCard
from sarseg.model.checkpoints import file_sha256
from sarseg.model.file import EMBEDDED_MODEL, save_model
from sarseg.model.segmenter import Segmenter
from sarseg.pretraining.bank import PATCHES, PatchBank
from sarseg.pretraining.parcels import EMBEDDING
from sarseg.pretraining.simulated import PatchSettings, train_on_patches
from sarseg.sam.architecture import architecture
from sarseg.scenes.output import check_output, replacing
from sarseg.scenes.radiometry import to_db
from sarseg.training.data import Example
from sarseg.training.lightning_module import SegmentationTask
from sarseg.training.losses.cross_entropy import CrossEntropy
from sarseg.training.objectives.dense import DensePrediction
from sarseg.training.schedule import Schedule
from sarseg.training.trainer import bare_trainer, quiet_lightning

NAMES = [entry.name for entry in CLASSES]
SIZES = architecture(EMBEDDED_BACKBONE)
DESPECKLE = Lee(size=5, looks=4.0)
VALIDATION_SEEDS = range(500, 508)
SCENE_SIDE = 1024
POLARISATIONS = (("VV", "VH"), ("HH", "HV"))
LOOKS = (2, 4, 4, 8)
BAND_DROPOUT = 0.4
"""Share of training chips that keep only one of the two bands."""
RADIOMETRIC_SHIFT_DB = 1.0
"""Standard deviation of the calibration error added to each band of a training chip."""


@dataclass(frozen=True)
class Recipe:
    """How much to train; the rest is fixed above."""

    scenes: int = 240
    encoder_steps: int = 2200
    patches: int = PATCHES
    patch_steps: int = 1800
    cwsam_steps: int = 900
    batch_size: int = 4
    encoder_learning_rate: float = 6e-4
    cwsam_learning_rate: float = 5e-4
    seed: int = 2026


@dataclass(frozen=True)
class DespeckledScene:
    """A simulated scene after the Lee filter: dB float16 (2, H, W), class indices uint8 (H, W)."""

    decibels: NDArray[np.float16]
    labels: NDArray[np.uint8]


def training_scene(seed: int) -> SimulatedScene:
    """The scene of ``seed``, with a polarisation pair and a number of looks by the seed."""
    pair = POLARISATIONS[seed % len(POLARISATIONS)]
    looks = LOOKS[(seed // len(POLARISATIONS)) % len(LOOKS)]
    return simulate(seed, SCENE_SIDE, SCENE_SIDE, polarisations=pair, looks=looks)


def class_indices(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Index into CLASSES for each class id of a map or truth; IGNORE for ids that are no class."""
    index_of = np.full(256, IGNORE, np.uint8)
    for index, entry in enumerate(CLASSES):
        index_of[entry.id] = index
    indices: NDArray[np.uint8] = index_of[ids]
    return indices


def despeckled_scene(seed: int) -> DespeckledScene:
    """The training scene of ``seed``, ready to cut chips from."""
    scene = training_scene(seed)
    intensity = np.stack(list(scene.bands.values()))
    valid = np.isfinite(intensity[0])  # the border is that of the swath, the same in each band
    prepared = to_db(DESPECKLE(np.where(valid, intensity, 0), valid))
    decibels_or_nan = np.where(valid, prepared, np.nan).astype(np.float16)
    return DespeckledScene(decibels_or_nan, class_indices(scene.labels))


def simulate_all(seeds: Sequence[int]) -> list[DespeckledScene]:
    """The scenes of ``seeds``, simulated in parallel processes."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(despeckled_scene, seeds, chunksize=4))


def scaling_of(scenes: Sequence[DespeckledScene]) -> tuple[BandScaling, ...]:
    """Centre and spread of the dB of each band over all valid pixels."""
    histogram = BandHistogram(len(CO_AND_CROSS_POL))
    for scene in scenes:
        valid = np.isfinite(scene.decibels).all(axis=0)
        histogram.add(scene.decibels[:, valid].astype(np.float32))
    return histogram.scaling()


class SimulatedChips(IterableDataset[Example]):
    """Endless random chips of simulated scenes: turned, shifted in dB, with bands dropped."""

    def __init__(
        self, scenes: Sequence[DespeckledScene], preparation: Preparation, seed: int
    ) -> None:
        self.scenes = scenes
        self.preparation = preparation
        self.generator = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[Example]:
        auxiliary = [False] * len(CO_AND_CROSS_POL)
        while True:
            scene = self.scenes[self._below(len(self.scenes))]
            row, col = (self._below(SCENE_SIDE - SIZES.image_size + 1) for _ in range(2))
            bands, labels = chip_at(scene, row, col, self.preparation, self._shift())
            number = self._below(8)
            kept = drop_bands(turned(bands, number), auxiliary, BAND_DROPOUT, self.generator)
            yield example(kept, turned(labels, number))

    def _below(self, end: int) -> int:
        return int(self.generator.integers(end))

    def _shift(self) -> NDArray[np.float32]:
        drawn = self.generator.normal(size=len(CO_AND_CROSS_POL)) * RADIOMETRIC_SHIFT_DB
        return drawn.astype(np.float32)


class ValidationChips(Dataset[Example]):
    """The four corner chips of each scene, as they are."""

    def __init__(self, scenes: Sequence[DespeckledScene], preparation: Preparation) -> None:
        last = SCENE_SIDE - SIZES.image_size
        self.places = [(s, row, col) for s in scenes for row in (0, last) for col in (0, last)]
        self.preparation = preparation

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Example:
        scene, row, col = self.places[index]
        unshifted = np.zeros(len(CO_AND_CROSS_POL), np.float32)
        return example(*chip_at(scene, row, col, self.preparation, unshifted))


def chip_at(
    scene: DespeckledScene,
    row: int,
    col: int,
    preparation: Preparation,
    shift: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Scaled bands and labels of one chip, ``shift`` dB added to each band."""
    window = slice(row, row + SIZES.image_size), slice(col, col + SIZES.image_size)
    shifted = scene.decibels[:, *window].astype(np.float32) + shift[:, None, None]
    valid = np.isfinite(shifted).all(axis=0)
    return preparation.scaled(shifted, valid), scene.labels[window]


def example(bands: NDArray[np.float32], labels: NDArray[np.uint8]) -> Example:
    """A chip as training takes it."""
    return torch.from_numpy(bands), torch.from_numpy(labels).long()


class StepLog(Callback):
    """Prints the loss now and then, and the validation scores whenever there are some."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.started = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """One line every 50 steps."""
        if trainer.global_step % 50 == 0:
            loss = float(trainer.callback_metrics["train_loss"])
            seconds = time.monotonic() - self.started
            print(f"{self.stage} step {trainer.global_step} loss {loss:.3f} {seconds:.0f} s")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The scores of the validation scenes."""
        assert isinstance(pl_module, SegmentationTask)
        figures = scores_by_name(pl_module.validation_scores[-1], NAMES)
        print(f"{self.stage} step {trainer.global_step} validation {figures}", flush=True)


def optimise(
    stage: str,
    segmenter: Segmenter,
    chips: SimulatedChips,
    validation: ValidationChips,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
) -> SegmentationTask:
    """Train ``segmenter`` for ``steps``, in bfloat16 where the arithmetic allows."""
    task = SegmentationTask(
        segmenter,
        DensePrediction([1.0] * len(CLASSES), CrossEntropy()),
        learning_rate=learning_rate,
        weight_decay=0.05,
        schedule=Schedule("cosine", steps, warmup=min(100, steps // 10), floor=0.01),
        batch_size=batch_size,
        clip=1.0,
    )
    with quiet_lightning():
        trainer = bare_trainer(
            max_steps=steps,
            precision="bf16-mixed",
            val_check_interval=max(steps // 8, 1),
            callbacks=[StepLog(stage)],
        )
        trainer.fit(task, DataLoader(chips, batch_size), DataLoader(validation, batch_size))
    return task


def make(recipe: Recipe, folder: Path, encoder: Path) -> None:
    """Simulate, train all stages and write both files into ``folder``, when all is done.

    ``encoder`` is what the first stage comes to: the file is written, or, where it is there,
    taken in place of that stage.
    """
    made = [folder / name for name in (EMBEDDED_WEIGHTS, EMBEDDED_MODEL)]
    for output in made:
        check_output(output, overwrite=True, inputs=[encoder])
    if not encoder.exists():
        check_output(encoder, overwrite=False)
    with TemporaryDirectory() as scratch:
        _train(recipe, Path(scratch), encoder)
        # a model is of no use without the backbone that it was trained on
        with ExitStack() as both:
            for output in made:
                copyfile(Path(scratch) / output.name, both.enter_context(replacing(output)))


def _train(recipe: Recipe, folder: Path, encoder: Path) -> None:
    seed_everything(recipe.seed, verbose=False)
    started = time.monotonic()
    scenes = simulate_all(range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + recipe.scenes))
    validation_scenes = simulate_all(VALIDATION_SEEDS)
    print(f"{recipe.scenes} scenes simulated in {time.monotonic() - started:.0f} s", flush=True)
    preparation = Preparation(despeckle=DESPECKLE, scaling=scaling_of(scenes))
    validation = ValidationChips(validation_scenes, preparation)

    if not encoder.exists():
        chips = SimulatedChips(scenes, preparation, recipe.seed)
        save_backbone(encoder, classifier(recipe, chips, validation), EMBEDDED_BACKBONE)
    backbone = folder / EMBEDDED_WEIGHTS
    save_backbone(backbone, on_patches(recipe, encoder), EMBEDDED_BACKBONE)

    adaptation = method("cwsam")
    adapted = Segmenter(SIZES, adaptation, decoder("classwise"), CO_AND_CROSS_POL, len(CLASSES))
    load_backbone(adapted, backbone, EMBEDDED_BACKBONE)
    task = optimise(
        "cwsam",
        adapted,
        SimulatedChips(scenes, preparation, recipe.seed + 1),
        validation,
        steps=recipe.cwsam_steps,
        batch_size=recipe.batch_size,
        learning_rate=recipe.cwsam_learning_rate,
    )
    card = ModelCard(
        backbone=EMBEDDED_BACKBONE,
        backbone_sha256=file_sha256(backbone),
        method="cwsam",
        method_settings=adaptation.model_dump(mode="json"),
        classes=CLASSES,
        inputs=CO_AND_CROSS_POL,
        preparation=preparation,
        tile_size=SIZES.image_size,
        pixel_size=SPACING_M,
        training={"dataset": "simulated scenes", "recipe": recipe.__dict__},
        metrics=scores_by_name(task.validation_scores[-1], NAMES),
    )
    save_model(folder / EMBEDDED_MODEL, adapted, card, dtype=torch.float16)
    print(f"done in {time.monotonic() - started:.0f} s")


def classifier(recipe: Recipe, chips: SimulatedChips, validation: ValidationChips) -> Segmenter:
    """The first stage: a whole SAM that tells the classes of simulated scenes apart."""
    whole = Segmenter(SIZES, method("full"), decoder("classwise"), CO_AND_CROSS_POL, len(CLASSES))
    initialise(whole)
    optimise(
        "encoder",
        whole,
        chips,
        validation,
        steps=recipe.encoder_steps,
        batch_size=recipe.batch_size,
        learning_rate=recipe.encoder_learning_rate,
    )
    return whole


def on_patches(recipe: Recipe, encoder: Path) -> Segmenter:
    """The second stage: the SAM of the file ``encoder``, trained on simulated patches."""
    torch.manual_seed(recipe.seed)
    whole = Segmenter(
        SIZES, method("full"), decoder("classwise"), exact_inputs(["1", "2", "3"]), EMBEDDING
    )
    load_backbone(whole, encoder, EMBEDDED_BACKBONE)
    started = time.monotonic()
    bank = PatchBank(recipe.patches, SIZES.image_size)
    print(f"{len(bank)} patches simulated in {time.monotonic() - started:.0f} s", flush=True)
    settings = PatchSettings(
        steps=recipe.patch_steps, batch_size=recipe.batch_size, seed=recipe.seed
    )
    train_on_patches(whole, bank, settings, partial(print, flush=True))
    return whole


def main() -> None:
    """Parse the recipe and run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    defaults = Recipe()
    for name, default in defaults.__dict__.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    parser.add_argument("--folder", type=Path, default=embedded_file("."))
    parser.add_argument("--encoder", type=Path, help="what the first stage comes to, to be kept")
    given = vars(parser.parse_args())
    folder, encoder = given.pop("folder"), given.pop("encoder")
    with TemporaryDirectory() as scratch:
        make(Recipe(**given), folder, encoder or Path(scratch) / "encoder.safetensors")


if __name__ == "__main__":
    main()
