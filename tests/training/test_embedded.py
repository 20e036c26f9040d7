"""The shipped backbone and model: what they are, what they can do, how they are made."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from safetensors.torch import load_file

from sarseg.assessment.confusion import confusion_matrix, scores
from sarseg.datasets.synthetic import CLASSES
from sarseg.errors import OutputError
from sarseg.model.backbone import backbone_file
from sarseg.model.file import LoadedModel, load_model
from sarseg.prediction.predictor import predict_scene
from sarseg.sam.architecture import ARCHITECTURES
from sarseg.sam.package import mask_decoder, prompt_encoder, transformer
from sarseg.scenes.reader import Scene
from sarseg.training.embedded import Recipe, class_indices, make
from tests.sam.test_encoder import stock_encoder

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model()


def test_the_backbone_is_a_sam_by_names_and_shapes() -> None:
    sizes = ARCHITECTURES["vit_t"]
    side = sizes.image_size // sizes.patch_size
    with torch.device("meta"):
        parts = {
            "image_encoder": stock_encoder(sizes),
            "prompt_encoder": prompt_encoder.PromptEncoder(
                embed_dim=sizes.out_chans,
                image_embedding_size=(side, side),
                input_image_size=(sizes.image_size, sizes.image_size),
                mask_in_chans=16,
            ),
            "mask_decoder": mask_decoder.MaskDecoder(
                transformer_dim=sizes.out_chans,
                transformer=transformer.TwoWayTransformer(
                    depth=2,
                    embedding_dim=sizes.out_chans,
                    num_heads=sizes.decoder_heads,
                    mlp_dim=sizes.decoder_mlp_dim,
                ),
                iou_head_hidden_dim=sizes.iou_head_hidden_dim,
            ),
        }
    expected = {
        f"{part}.{name}": tensor.shape
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }
    shipped = load_file(backbone_file("vit_t", None))
    assert {name: tensor.shape for name, tensor in shipped.items()} == expected


def miou(image: Path, truth: Path, model: LoadedModel, output: Path) -> float:
    with Scene.open([image]) as scene:
        predict_scene(scene, model, output)
    with rasterio.open(output) as found, rasterio.open(truth) as expected:
        reference, predicted = class_indices(expected.read(1)), class_indices(found.read(1))
    return scores(confusion_matrix(reference, predicted, len(CLASSES))).miou


def test_the_held_out_scene_is_mapped_well(model: LoadedModel, tmp_path: Path) -> None:
    image, truth = SAMPLE_DATA / "heldout.tif", SAMPLE_DATA / "heldout_truth.tif"
    assert miou(image, truth, model, tmp_path / "map.tif") >= 0.60


@pytest.mark.parametrize("band", [1, 2], ids=["VV alone", "VH alone"])
def test_one_polarisation_will_do(band: int, model: LoadedModel, tmp_path: Path) -> None:
    corner = rasterio.windows.Window(600, 500, 900, 900)
    image, truth = tmp_path / "one.tif", tmp_path / "truth.tif"
    for source, target, number in (("heldout", image, band), ("heldout_truth", truth, 1)):
        with rasterio.open(SAMPLE_DATA / f"{source}.tif") as opened:
            shape = {"count": 1, "height": 900, "width": 900}
            profile = opened.profile | shape | {"transform": opened.window_transform(corner)}
            with rasterio.open(target, "w", **profile) as cut:
                cut.write(opened.read(number, window=corner), 1)
                cut.descriptions = (opened.descriptions[number - 1],)
    assert miou(image, truth, model, tmp_path / "map.tif") >= 0.45


def test_files_that_cannot_be_written_are_told_before_training(tmp_path: Path) -> None:
    for folder, encoder in (("gone", "encoder"), (".", "gone/encoder")):
        with pytest.raises(OutputError, match=r"The folder .*gone of the output .* does not exist"):
            make(Recipe(), tmp_path / folder, tmp_path / f"{encoder}.safetensors")


@pytest.mark.full
def test_the_recipe_runs_from_nothing_to_two_files(tmp_path: Path) -> None:
    recipe = Recipe(
        scenes=1, encoder_steps=1, patches=1, patch_steps=1, cwsam_steps=1, batch_size=1
    )
    make(recipe, tmp_path, tmp_path / "encoder.safetensors")
    backbone = tmp_path / "vit_t.safetensors"
    loaded = load_model(tmp_path / "simulated.safetensors", backbone_weights=backbone)
    with torch.inference_mode():
        logits = loaded.segmenter(torch.zeros(1, 2, 448, 448))
    assert np.isfinite(logits.numpy()).all()
