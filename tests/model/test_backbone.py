"""Meta's checkpoints: their names and shapes, loaded strictly."""

from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sarseg.adapters import METHODS, method
from sarseg.decoders import decoder
from sarseg.errors import ModelError
from sarseg.model.backbone import backbone_file, backbone_sha256, load_backbone, sam_shapes
from sarseg.model.bands import exact_inputs
from sarseg.model.checkpoints import RELEASED
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import architecture

META = ["vit_b", "vit_l", "vit_h"]


def whole_sam(backbone: str) -> dict[str, Tensor]:
    """The state dict of segment_anything's own model, as its checkpoints hold it; no memory."""
    with torch.device("meta"):
        # importable now that sarseg.sam has registered the package
        build_sam = import_module("segment_anything.build_sam")
        state: dict[str, Tensor] = build_sam.sam_model_registry[backbone]().state_dict()
    return state


def thin(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the same shapes that take no room in a file: every element is the same number."""
    return {
        name: torch.full((1,), number / len(state)).expand(tensor.shape)
        for number, (name, tensor) in enumerate(state.items())
    }


def segmenter(backbone: str, name: str = "cwsam") -> Segmenter:
    return Segmenter(
        architecture(backbone), method(name), decoder("classwise"), exact_inputs(["VV"]), 3
    )


@pytest.mark.parametrize("backbone", META)
def test_expected_names_and_shapes_are_those_of_segment_anything(backbone: str) -> None:
    theirs = {name: tensor.shape for name, tensor in whole_sam(backbone).items()}
    assert sam_shapes(architecture(backbone)) == theirs


@pytest.mark.parametrize("backbone", META)
@pytest.mark.parametrize("name", METHODS)
def test_every_tensor_of_a_checkpoint_has_its_place(backbone: str, name: str) -> None:
    with torch.device("meta"):
        ours = segmenter(backbone, name)
    result = ours.load_state_dict(whole_sam(backbone), strict=False, assign=True)
    assert not result.unexpected_keys


def test_a_file_like_metas_loads_and_fills_every_weight(tmp_path: Path) -> None:
    path = tmp_path / "sam_vit_b_01ec64.pth"
    state = thin(whole_sam("vit_b"))
    torch.save(state, path)
    ours = segmenter("vit_b")
    load_backbone(ours, path, "vit_b")
    loaded = ours.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("mask_decoder.iou_token.weight"), r"it has no mask_decoder\.iou_token"),
        (lambda s: s.update(extra=torch.zeros(1)), "it has extra, which SAM has not"),
        (lambda s: s.update({"image_encoder.pos_embed": torch.zeros(1, 2, 2, 192)}), "the shape"),
    ],
)
def test_a_file_that_is_not_quite_the_backbone_is_refused(
    tmp_path: Path, change: object, words: str
) -> None:
    path = tmp_path / "sam.pth"
    shapes = sam_shapes(architecture("vit_t"))
    state = {name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}
    change(state)  # type: ignore[operator]
    torch.save(state, path)
    with pytest.raises(ModelError, match=words):
        load_backbone(segmenter("vit_t"), path, "vit_t")


def test_a_damaged_file_in_the_cache_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARSEG_CACHE", str(tmp_path))
    path = tmp_path / "weights" / RELEASED["vit_b"].file_name
    path.parent.mkdir()
    with path.open("wb") as stream:
        stream.truncate(RELEASED["vit_b"].size)  # the right size, and nothing in it
    assert backbone_file("vit_b", None) == path
    with pytest.raises(ModelError, match=r"is damaged.*sarseg weights download vit_b"):
        backbone_sha256("vit_b", path)
