"""The mask-classification decoder against numpy, and what it makes of SAM's weights."""

import numpy as np
import pytest
import torch
from torch import Tensor

from sarseg.decoders import decoder
from sarseg.decoders.mask_classification import MaskClassificationDecoder
from sarseg.errors import ModelError
from sarseg.sam.decoder import MaskDecoder
from tests.decoders import reference
from tests.sam.test_encoder import SMALL, randomise

GRID = (3, 4)
HYPERNETWORKS = "output_hypernetworks_mlps"


def inputs(batch: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    width = SMALL.out_chans
    embedding = torch.randn(batch, width, *GRID, generator=generator)
    positions = torch.randn(1, width, *GRID, generator=generator)
    return embedding, positions, torch.randn(1, width, 1, 1, generator=generator)


def built(num_classes: int, queries: int | None = None) -> MaskClassificationDecoder:
    model = decoder("mask-classification", {"queries": queries}).build(SMALL, num_classes)
    assert isinstance(model, MaskClassificationDecoder)
    randomise(model, 6)
    return model.eval()


@pytest.mark.parametrize(("num_classes", "queries"), [(3, None), (3, 3), (5, 7)])
@torch.inference_mode()
def test_the_head_agrees_with_numpy(num_classes: int, queries: int | None) -> None:
    model = built(num_classes, queries).double()
    embedding, positions, dense = (tensor.double() for tensor in inputs(2))
    mask_tokens, image = model.transform(embedding + dense, positions)
    class_logits, masks = model.queries(embedding, positions, dense)
    logits = model(embedding, positions, dense)
    weights = reference.weights_of(model)
    for index in range(2):
        tokens = mask_tokens[index].numpy()
        classes = reference.linear(tokens, weights, "classifier")
        drawn = np.stack(
            [
                reference.mask(token, image[index].numpy(), weights, query)
                for query, token in enumerate(tokens)
            ]
        )
        np.testing.assert_allclose(class_logits[index], classes, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(masks[index], drawn, rtol=1e-9, atol=1e-9)
        expected = reference.semantic_logits(classes, drawn)
        np.testing.assert_allclose(logits[index], expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_certain_queries_keep_their_classes_apart_however_small_the_scores() -> None:
    model = built(2, 2)
    masks = torch.full((1, 2, 1, 3), -60.0)
    masks[0, 0, 0, 0], masks[0, 1, 0, 1] = -40, 80
    model.queries = lambda *_: (torch.tensor([[[9.0, -9, 9], [-9, 9, 9]]]), masks)  # type: ignore
    logits = model(*inputs(1))
    assert torch.isfinite(logits).all()
    assert logits.argmax(1).tolist() == [[[0, 1, 0]]]
    assert logits[0, 0, 0, 0] - logits[0, 1, 0, 0] > 15
    assert logits[0, 0, 0, 2] == logits[0, 1, 0, 2]


@torch.inference_mode()
def test_images_of_a_batch_do_not_see_each_other() -> None:
    model = built(5)
    embedding, positions, dense = inputs(3)
    together = model(embedding, positions, dense)
    assert together.shape == (3, 5, 4 * GRID[0], 4 * GRID[1])
    alone = torch.cat([model(one, positions, dense) for one in embedding.split(1)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def sam_decoder() -> MaskDecoder:
    sam = MaskDecoder(SMALL)
    randomise(sam, 7)
    return sam


@pytest.mark.parametrize("queries", [2, 4, 6, 11])
def test_queries_begin_as_the_mask_tokens_of_sam(queries: int) -> None:
    sam, model = sam_decoder(), built(2, queries)
    before = model.classifier.weight.clone()
    given = sam.state_dict()
    model.load_state_dict(given, strict=False)
    tokens, sams = model.mask_tokens.weight.detach(), sam.mask_tokens.weight.detach()
    assert tokens.shape == (queries, SMALL.out_chans)
    for query in range(queries):
        noise = float((tokens[query] - sams[query % 4]).std() / sams.std())
        assert noise == 0 if query < 4 else 0.05 < noise < 0.2
        found = dict(model.get_submodule(f"{HYPERNETWORKS}.{query}").named_parameters())
        expected = sam.get_submodule(f"{HYPERNETWORKS}.{query % 4}").named_parameters()
        assert all(torch.equal(found[name], parameter) for name, parameter in expected)
    assert torch.equal(model.classifier.weight, before)
    assert torch.equal(model.iou_token.weight, sam.iou_token.weight)
    assert given.keys() == sam.state_dict().keys()  # what was given is not changed
    assert len(given["mask_tokens.weight"]) == 4

    again = built(2, queries)
    again.load_state_dict(given, strict=False)
    assert torch.equal(tokens, again.mask_tokens.weight)


@torch.inference_mode()
def test_the_first_four_queries_draw_what_sam_draws() -> None:
    sam, model = sam_decoder(), built(2, 4)
    model.load_state_dict(sam.state_dict(), strict=False)
    embedding, positions, dense = inputs(1)
    expected, _ = sam.predict_masks(
        image_embeddings=embedding,
        image_pe=positions,
        sparse_prompt_embeddings=torch.empty(1, 0, SMALL.out_chans),
        dense_prompt_embeddings=dense,
    )
    _, masks = model.queries(embedding, positions, dense)
    torch.testing.assert_close(masks, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("queries", [2, 4, 6])
def test_a_state_of_its_own_loads_as_it_is(queries: int) -> None:
    first, second = built(2, queries), built(2, queries)
    randomise(second, 8)
    second.load_state_dict(first.state_dict(), strict=True)
    expected = first.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in second.state_dict().items())


def test_fewer_queries_than_classes_are_refused() -> None:
    with pytest.raises(ModelError, match=r"4 queries for 5 classes.*set queries to 5 or more"):
        decoder("mask-classification", {"queries": 4}).build(SMALL, 5)
