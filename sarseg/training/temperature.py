"""The temperature that makes a trained model's confidence mean what it says."""

import torch
from torch.utils.data import DataLoader

from sarseg.assessment.calibration import PixelSample, fit_temperature
from sarseg.errors import ModelError
from sarseg.model.network import Network
from sarseg.training.data import PreparedChips

PIXELS = 200_000
"""Validation pixels that the temperature is fitted to, drawn at random from all of them."""


@torch.inference_mode()
def fitted_temperature(
    segmenter: Network, chips: PreparedChips, device: str, *, batch_size: int, seed: int
) -> float:
    """The temperature of ``segmenter``'s logits by the labels of the validation ``chips``.

    Raises ModelError where logits are no numbers.
    """
    sample = PixelSample(segmenter.num_classes, PIXELS, seed)
    segmenter.eval().to(device)
    for bands, labels in DataLoader(chips, batch_size):
        logits = segmenter(bands.to(device)).float()
        if not logits.isfinite().all():
            raise ModelError(
                "The model answers with values that are no numbers, so training has diverged: "
                "begin anew with a smaller --learning-rate, and --overwrite."
            )
        sample.add(logits.cpu().numpy(), labels.numpy())
    return fit_temperature(sample.logits, sample.labels)
