"""Agreement with the published systems: inputs, weights and outputs of the authors' own code.

The vectors lie outside the repository, in the folder that ``SARSEG_GOLDEN`` names. Which system a
file is of, and every size, is read from its ``config``.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sarseg.adapters.base import AdaptationMethod
from sarseg.adapters.conv_lora import ConvLora
from sarseg.adapters.cwsam import Cwsam, FrequencyPrompts
from sarseg.adapters.decoder_only import DecoderOnly
from sarseg.adapters.sam_adapter import FrequencyPatchPrompts, SamAdapter
from sarseg.decoders import decoder
from sarseg.model.bands import exact_inputs
from sarseg.model.released import from_conv_lora, from_cwsam, from_sam_adapter
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.encoder import ImageEncoder

RELATIVE = 1e-4
FOLDER = os.environ.get("SARSEG_GOLDEN")
FILES = sorted(Path(FOLDER).glob("*.npz")) if FOLDER else []

Config = dict[str, Any]
State = Mapping[str, Tensor]
Answers = dict[str, Tensor]


@dataclass(frozen=True)
class Golden:
    """One file of vectors."""

    config: Config
    image: Tensor
    box: Tensor | None
    state: dict[str, Tensor]
    expected: dict[str, Tensor]


def read(path: Path) -> Golden:
    with np.load(path) as arrays:
        config = json.loads(str(arrays["config"]))
        tensors = {n: torch.from_numpy(arrays[n]) for n in arrays.files if n != "config"}
    image, box = tensors.pop("image"), tensors.pop("box", None)
    state = {n: tensors.pop(n) for n in list(tensors) if n.startswith("state/")}
    by_name = {name.removeprefix("state/"): tensor for name, tensor in state.items()}
    return Golden(config, image, box, by_name, expected=tensors)


def encoder_sizes(config: Config) -> dict[str, Any]:
    names = ("patch_size", "embed_dim", "depth", "num_heads", "window_size", "out_chans")
    return {
        "image_size": config["img_size"],
        "global_attn_indexes": tuple(config["global_attn_indexes"]),
        **{name: config[name] for name in names},
    }


def all_sizes(config: Config) -> SamArchitecture:
    names = ("decoder_heads", "decoder_mlp_dim", "iou_head_hidden_dim")
    return SamArchitecture(**encoder_sizes(config), **{name: config[name] for name in names})


def load(module: nn.Module, state: State, absent: tuple[str, ...] = ()) -> None:
    """Fill ``module``, all but what begins like ``absent``, with all of ``state``."""
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected, f"nothing of ours is called {unexpected}"
    unfilled = [name for name in missing if not name.startswith(absent or ("?",))]
    assert not unfilled, f"the file has no {unfilled}"
    module.eval()


def encoder_of(golden: Golden, method: AdaptationMethod, state: State) -> ImageEncoder:
    """The image encoder alone, where the file has nothing else."""
    encoder = ImageEncoder(SamArchitecture(**encoder_sizes(golden.config)))
    method.install(encoder)
    load(nn.ModuleDict({"image_encoder": encoder}), state)
    return encoder


def sam(golden: Golden) -> Callable[[Tensor], Answers]:
    segmenter = Segmenter(
        all_sizes(golden.config),
        DecoderOnly(),
        decoder("box-prompted"),
        inputs=exact_inputs(["1", "2", "3"]),
        num_classes=2,
    )
    load(segmenter, golden.state)
    assert golden.box is not None, "a file of SAM without a box"

    def answer(image: Tensor) -> Answers:
        embedding = segmenter.embed(image)
        size = (image.shape[-2], image.shape[-1])
        rest, mask = segmenter.low_res_logits(embedding, size, [golden.box] * len(image)).unbind(1)
        return {"embedding": embedding, "box_low_res_logits": (mask - rest)[:, None]}

    return answer


def cwsam(golden: Golden) -> Callable[[Tensor], Answers]:
    config = golden.config
    method = Cwsam(
        adapter_ratio=config["adapter_ratio"],
        adapter_scale=config["adapter_scale"],
        frequency_ratio=config["freq_ratio"],
        scale_factor=config["scale_factor"],
        embedding_order=config["embedding_order"],
    )
    segmenter = Segmenter(
        all_sizes(config),
        method,
        decoder("classwise"),
        inputs=exact_inputs(["1", "2", "3"]),
        num_classes=config["num_classes"],
    )
    # prompts that CWSAM is never given
    prompts = ("point_embeddings.", "not_a_point_embed.", "mask_downscaling.")
    absent = tuple(f"prompt_encoder.{name}" for name in prompts)
    load(segmenter, from_cwsam(golden.state), absent)
    prompt_generator = segmenter.image_encoder.prompt_generator
    assert isinstance(prompt_generator, FrequencyPrompts)

    def answer(image: Tensor) -> Answers:
        embedding = segmenter.embed(image)
        size = (image.shape[-2], image.shape[-1])
        return {
            "low_frequency": prompt_generator.frequency_images(image),
            "embedding": embedding,
            "low_res_logits": segmenter.low_res_logits(embedding, size),
            "logits": segmenter(image),
        }

    return answer


def conv_lora(golden: Golden) -> Callable[[Tensor], Answers]:
    config = golden.config
    method = ConvLora(
        rank=config["rank"],
        alpha=config["alpha"],
        experts=config["experts"],
        top_k=config["top_k"],
        balance_weight=config["moe_loss_coef"],
    )
    encoder = encoder_of(golden, method, from_conv_lora(golden.state))

    def answer(image: Tensor) -> Answers:
        return {"embedding": encoder(image), "moe_loss": encoder.auxiliary_loss()}

    return answer


def sam_adapter(golden: Golden) -> Callable[[Tensor], Answers]:
    config = golden.config
    method = SamAdapter(
        tune_dim=config["tune_dim"],
        hidden_dim=config["hidden_dim"],
        frequency_ratio=config["freq_ratio"],
    )
    encoder = encoder_of(golden, method, from_sam_adapter(golden.state))
    prompt_generator = encoder.prompt_generator
    assert isinstance(prompt_generator, FrequencyPatchPrompts)

    def answer(image: Tensor) -> Answers:
        patches = prompt_generator.frequency_patches(image)
        return {"high_frequency_patches": patches, "embedding": encoder(image)}

    return answer


SYSTEMS: dict[str, Callable[[Golden], Callable[[Tensor], Answers]]] = {
    "sam": sam,
    "cwsam": cwsam,
    "conv-lora": conv_lora,
    "sam-adapter": sam_adapter,
}
OF_THE_WHOLE_BATCH = {"moe_loss"}
"""What is no mean or row of what the single images have."""


def assert_agrees(name: str, found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape, name
    for norm in (2, float("inf")):
        difference, reference = (
            float(t.flatten().norm(norm)) for t in (found - expected, expected)
        )
        assert difference <= RELATIVE * reference, f"{name}: {difference:.1e} of {reference:.1e}"


def test_there_are_vectors_where_a_folder_is_named() -> None:
    if not FOLDER:
        pytest.skip("SARSEG_GOLDEN names no folder: agreement with the authors' code not checked")
    assert FILES, f"SARSEG_GOLDEN names {FOLDER}, which holds no .npz file"


@pytest.mark.parametrize("batched", [True, False], ids=["batched", "one by one"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@torch.inference_mode()
def test_outputs_agree_with_the_authors_code(path: Path, batched: bool) -> None:
    golden = read(path)
    system = golden.config["system"]
    assert system in SYSTEMS, f"{path} is of {system!r}, which is none of {', '.join(SYSTEMS)}"
    answer = SYSTEMS[system](golden)
    if batched:
        answers = answer(golden.image)
        expected = golden.expected
    else:
        one_by_one = [answer(image) for image in golden.image.split(1)]
        joint = one_by_one[0].keys() - OF_THE_WHOLE_BATCH
        answers = {name: torch.cat([one[name] for one in one_by_one]) for name in joint}
        expected = {n: t for n, t in golden.expected.items() if n not in OF_THE_WHOLE_BATCH}
    assert expected.keys() == answers.keys(), f"{path} has other expected tensors than {system}"
    for name, tensor in expected.items():
        assert_agrees(name, answers[name], tensor)
