"""Agreement with the published systems: inputs, weights and outputs of the authors' own code.

The vectors lie outside the repository, in the folder that ``SARSEG_GOLDEN`` names. Which system a
file is of, and every size, is read from its ``config``.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sarseg.adapters.cwsam import Cwsam
from sarseg.model.bands import exact_inputs
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import SamArchitecture

RELATIVE = 1e-4
FOLDER = os.environ.get("SARSEG_GOLDEN")
SYSTEMS = ("cwsam",)


def golden_files() -> list[Path]:
    if FOLDER is None:
        return []
    return sorted(
        path for path in Path(FOLDER).glob("*.npz") if config_of(path)["system"] in SYSTEMS
    )


def config_of(path: Path) -> dict[str, Any]:
    with np.load(path) as arrays:
        return json.loads(str(arrays["config"]))


def test_there_are_vectors_where_a_folder_is_named() -> None:
    if FOLDER is None:
        pytest.skip("SARSEG_GOLDEN names no folder: agreement with the authors' code not checked")
    assert golden_files(), f"no vectors of {SYSTEMS} in {FOLDER}"


def difference(found: Tensor, expected: np.ndarray) -> float:
    reference = torch.from_numpy(expected)
    assert found.shape == reference.shape
    return float((found - reference).norm() / reference.norm())


def sizes_of(config: dict[str, Any]) -> SamArchitecture:
    return SamArchitecture(
        image_size=config["img_size"],
        patch_size=config["patch_size"],
        embed_dim=config["embed_dim"],
        depth=config["depth"],
        num_heads=config["num_heads"],
        window_size=config["window_size"],
        global_attn_indexes=tuple(config["global_attn_indexes"]),
        out_chans=config["out_chans"],
        decoder_heads=config["decoder_heads"],
        decoder_mlp_dim=config["decoder_mlp_dim"],
        iou_head_hidden_dim=config["iou_head_hidden_dim"],
    )


def cwsam_of(config: dict[str, Any]) -> Segmenter:
    method = Cwsam(
        adapter_ratio=config["adapter_ratio"],
        adapter_scale=config["adapter_scale"],
        frequency_ratio=config["freq_ratio"],
        scale_factor=config["scale_factor"],
        embedding_order=config["embedding_order"],
    )
    return Segmenter(
        sizes_of(config),
        method,
        inputs=exact_inputs(["1", "2", "3"]),
        num_classes=config["num_classes"],
    )


def load_released(segmenter: Segmenter, arrays: Any) -> None:
    """Every parameter of ours is in the file; of theirs only the never-run Depth_Adapter is not."""
    state = {
        name.removeprefix("state/"): torch.from_numpy(arrays[name])
        for name in arrays.files
        if name.startswith("state/") and ".Depth_Adapter." not in name
    }
    segmenter.load_state_dict(state, strict=True)


@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.stem)
@pytest.mark.parametrize("batched", [True, False], ids=["batched", "one by one"])
@torch.inference_mode()
def test_cwsam_agrees_with_the_authors_code(path: Path, batched: bool) -> None:
    segmenter = cwsam_of(config_of(path)).eval()
    with np.load(path) as arrays:
        load_released(segmenter, arrays)
        images = torch.from_numpy(arrays["image"])
        encoder = segmenter.image_encoder
        results: dict[str, list[Tensor]] = {}
        for image in [images] if batched else images.split(1):
            embedding = encoder(segmenter.channels(image))
            assert encoder.prompt_generator is not None
            for name, tensor in (
                ("low_frequency", encoder.prompt_generator.band_of(image)),
                ("embedding", embedding),
                ("low_res_logits", segmenter.low_res_logits(embedding)),
                ("logits", segmenter(image)),
            ):
                results.setdefault(name, []).append(tensor)
        for name, parts in results.items():
            assert difference(torch.cat(parts), arrays[name]) < RELATIVE, name
