"""SAM-Adapter's prompts against their formula, in NumPy."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import erf
from torch.nn import functional

from sarseg.adapters.sam_adapter import FrequencyPatchPrompts, SamAdapter
from sarseg.sam.architecture import ARCHITECTURES
from sarseg.sam.encoder import ImageEncoder
from tests.adapters.test_frequency import low_band_by_frequency
from tests.sam.test_encoder import SMALL, randomise


def prompts(**settings: Any) -> FrequencyPatchPrompts:
    generator = FrequencyPatchPrompts(ImageEncoder(SMALL), SamAdapter(**settings))
    randomise(generator, 2)
    return generator


@torch.inference_mode()
def test_patches_are_those_that_unfolding_the_high_band_gives() -> None:
    image = torch.randn(2, 3, 80, 48)
    low = np.array([[low_band_by_frequency(c, 0.4) for c in one] for one in image.double().numpy()])
    high = np.abs(image.numpy() - low)
    unfolded = functional.unfold(torch.from_numpy(high), kernel_size=16, stride=16)
    patches = prompts(frequency_ratio=0.4).frequency_patches(image)
    assert patches.shape == (2, 5 * 3, 768)
    np.testing.assert_allclose(patches, unfolded.transpose(1, 2), atol=1e-5)


@torch.inference_mode()
def test_both_bands_give_patches_twice_as_long() -> None:
    image = torch.randn(1, 3, 48, 48)
    low, high, both = (prompts(band=b).frequency_patches(image) for b in ("low", "high", "both"))
    assert torch.equal(both, torch.cat([low, high], dim=-1))


@pytest.mark.parametrize(("tune_dim", "hidden_dim"), [(None, 32), (7, 5)])
@torch.inference_mode()
def test_prompts_follow_their_formula(tune_dim: int | None, hidden_dim: int) -> None:
    generator = prompts(tune_dim=tune_dim, hidden_dim=hidden_dim)
    image, embedded, tokens = torch.randn(2, 3, 80, 48), torch.randn(()), torch.randn(2, 5, 3, 48)
    found = list(generator(image, embedded, tokens))

    weights = {name: p.double().numpy() for name, p in generator.named_parameters()}

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    patches = generator.frequency_patches(image).double().numpy()
    embedding = tokens.double().numpy().reshape(2, 15, 48)
    feature = linear("HFC_tune", patches) + linear("patch_embed_tune", embedding)
    assert feature.shape[-1] == (tune_dim or 12)
    assert len(found) == SMALL.depth + 1
    for i, addition in enumerate(found):
        hidden = linear(f"task_adapter_blocks.{i}.down_projection", feature)
        hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
        assert hidden.shape[-1] == hidden_dim
        expected = linear("task_adapter_up", hidden).reshape(2, 5, 3, 48)
        np.testing.assert_allclose(addition, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("backbone", "quarter"), [("vit_b", 192), ("vit_l", 256), ("vit_h", 320)])
def test_defaults_on_metas_backbones(backbone: str, quarter: int) -> None:
    with torch.device("meta"):
        generator = FrequencyPatchPrompts(ImageEncoder(ARCHITECTURES[backbone]), SamAdapter())
    assert generator.HFC_tune.weight.shape == (quarter, 768)
    down = generator.get_parameter("task_adapter_blocks.0.down_projection.weight")
    assert down.shape == (32, quarter)
