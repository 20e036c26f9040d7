"""A step is what a few lines of torch would do, however its chips are shared out."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW, Optimizer

from sarseg.errors import UsageError
from sarseg.model.file import trained_state
from sarseg.training.run import TrainingSummary, train
from sarseg.training.settings import TrainSettings
from tests.training.chips import two_band_chips
from tests.training.small import fit, judged_by, noise, small_segmenter, task

STEPS = [noise(step, 4) for step in range(3)] + [noise(3, 2)]

ROUNDING = 1e-2
"""Of the weights: AdamW makes whole steps also of gradients that are nothing but rounding."""


def trained(
    loss: str, batch_size: int, *callbacks: Callback, clip: float | None = None
) -> dict[str, Tensor]:
    """The weights after ``STEPS``."""
    segmenter = small_segmenter()
    fit(task(segmenter, judged_by(loss), batch_size=batch_size, clip=clip), STEPS, *callbacks)
    return trained_state(segmenter)


def by_hand(clip: float | None = None) -> dict[str, Tensor]:
    """The loss of all chips of a step at once, divided by the weight of all their pixels."""
    segmenter = small_segmenter()
    weights = torch.tensor([0.3, 1.0, 2.5])
    optimiser = AdamW(
        [p for p in segmenter.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.01
    )
    segmenter.train()
    # one step of warm-up, then poly over the other three, down to a tenth
    for (bands, labels), share in zip(STEPS, (1, 0, 1 / 3, 2 / 3), strict=True):
        factor = 0.1 + 0.9 * (1 - share) ** 0.9 if share != 1 else 1.0
        optimiser.param_groups[0]["lr"] = 1e-3 * factor
        logits = segmenter(bands).float()
        loss = functional.cross_entropy(logits, labels, weights, ignore_index=255)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(segmenter.parameters(), clip)
        optimiser.step()
    return trained_state(segmenter)


def difference(some: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    """Norm of what differs in the weights, as a share of what training has changed."""
    start = trained_state(small_segmenter())
    assert some.keys() == others.keys() == start.keys()

    def norm(pairs: list[tuple[Tensor, Tensor]]) -> float:
        return float(torch.stack([(one - other).norm() for one, other in pairs]).norm())

    moved = norm([(some[name], start[name]) for name in start])
    return norm([(some[name], others[name]) for name in start]) / moved


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
def test_cross_entropy_steps_are_those_of_a_plain_loop(batch_size: int) -> None:
    assert difference(trained("cross-entropy", batch_size), by_hand()) < ROUNDING


@pytest.mark.parametrize("loss", ["dice", "cross-entropy", "lovasz"])
def test_a_step_is_the_same_however_it_is_split(loss: str) -> None:
    whole = Gradients()
    weights = trained(loss, 4, whole)
    for batch_size in (1, 2, 3):
        split = Gradients()
        assert difference(trained(loss, batch_size, split), weights) < ROUNDING
        torch.testing.assert_close(split.first, whole.first, rtol=1e-5, atol=1e-5)


def test_a_mean_of_means_would_be_told() -> None:
    """The test above can fail: the chips' weights do differ."""
    labels = STEPS[0][1]
    counted = (labels != 255).flatten(1).sum(1)
    assert counted.max() > 10 * counted.min()


class Gradients(Callback):
    """Norm of all gradients before they are clipped and as the optimiser takes them."""

    def __init__(self) -> None:
        self.before: list[float] = []
        self.after: list[float] = []
        self.first = torch.empty(0)
        """All those of the first step, divided by their norm."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.optimizers[0].register_step_post_hook(
            lambda optimiser, args, kwargs: self.after.append(float(_gradient(optimiser).norm()))
        )

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        gradient = _gradient(optimizer)
        if not self.before:
            self.first = gradient / gradient.norm()
        self.before.append(float(gradient.norm()))


def _gradient(optimiser: Optimizer) -> Tensor:
    found = [p.grad for group in optimiser.param_groups for p in group["params"]]
    return torch.cat([gradient.flatten() for gradient in found if gradient is not None])


def test_clip_bounds_the_norm_of_the_whole_step() -> None:
    plain, clipped = Gradients(), Gradients()
    trained("cross-entropy", 2, plain)
    assert plain.after == plain.before
    bound = min(plain.before) / 2
    result = trained("cross-entropy", 2, clipped, clip=bound)
    assert clipped.before[0] == pytest.approx(plain.before[0])
    assert clipped.after == pytest.approx([bound] * len(STEPS), rel=1e-4)
    assert difference(result, by_hand(bound)) < ROUNDING


def test_clip_leaves_smaller_gradients_alone() -> None:
    assert difference(trained("dice", 4, clip=1e6), trained("dice", 4)) == 0


def test_a_step_without_a_labelled_pixel_learns_nothing() -> None:
    bands, labels = noise(0)
    segmenter = small_segmenter()
    fit(task(segmenter), [(bands, torch.full_like(labels, 255))])
    for name, start in trained_state(small_segmenter()).items():
        decayed = start * (1 - 1e-3 * 0.01)
        torch.testing.assert_close(trained_state(segmenter)[name], decayed)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_band_chips(tmp_path_factory.mktemp("steps"))


def run(chips: Path, output: Path, **chosen: Any) -> tuple[TrainingSummary, dict[str, Tensor]]:
    told = {"epochs": 2, "logger": "csv", "augment": False, **chosen}
    done = train(TrainSettings(dataset=str(chips), **told), output, overwrite=False)
    assert done is not None
    return done, load_file(output)


def moved(some: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    """Norm of the difference of all weights."""
    return float(torch.stack([(some[name] - others[name]).norm() for name in others]).norm())


def test_a_run_is_the_same_however_its_steps_are_split(chips: Path, tmp_path: Path) -> None:
    """Chips of which some are hardly labelled; of six, the last step of an epoch takes two."""
    options = {"class_weights": "frequency", "schedule": "constant"}
    whole, weights = run(chips, tmp_path / "4.safetensors", batch_size=4, **options)
    split, same = run(chips, tmp_path / "1.safetensors", batch_size=1, accumulate=4, **options)
    _, other = run(chips, tmp_path / "2.safetensors", batch_size=2, **options)
    assert (whole.steps, split.steps) == (4, 4)
    assert moved(same, weights) < ROUNDING * moved(other, weights)


def test_early_stopping_keeps_the_best_epoch(chips: Path, tmp_path: Path) -> None:
    options = {"schedule": "constant", "learning_rate": 1e-2}
    stopped, weights = run(chips, tmp_path / "stopped.safetensors", epochs=8, patience=2, **options)
    with (tmp_path / "stopped.run" / "logs" / "version_0" / "metrics.csv").open() as opened:
        scores = [float(row["val_miou"]) for row in csv.DictReader(opened) if row["val_miou"]]
    best = scores.index(max(scores)) + 1
    assert stopped.best_epoch == best
    assert len(scores) == best + 2 < 8
    assert stopped.metrics["mIoU"] == pytest.approx(max(scores), abs=1e-4)
    _, up_to_there = run(chips, tmp_path / "best.safetensors", epochs=best, **options)
    assert all(torch.equal(weights[name], up_to_there[name]) for name in weights)


def test_bfloat16_trains_on_the_cpu(chips: Path, tmp_path: Path) -> None:
    _, exact = run(chips, tmp_path / "32.safetensors", epochs=1)
    _, weights = run(chips, tmp_path / "bf16.safetensors", epochs=1, precision="bf16")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    start = {name: torch.zeros_like(weight) for name, weight in exact.items()}
    assert 0 < moved(weights, exact) < 0.1 * moved(exact, start)


def test_half_precision_is_for_gpus(chips: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--precision 16 is for GPUs: choose bf16 or 32"):
        run(chips, tmp_path / "m.safetensors", precision="16", device="cpu")
    assert not list(tmp_path.iterdir())


@pytest.mark.full
def test_a_compiled_encoder_trains_alike(chips: Path, tmp_path: Path) -> None:
    _, plain = run(chips, tmp_path / "plain.safetensors", epochs=1)
    _, compiled = run(chips, tmp_path / "compiled.safetensors", epochs=1, compile=True)
    for name, weight in plain.items():
        torch.testing.assert_close(compiled[name], weight, rtol=1e-3, atol=1e-3)
