"""The box-prompted decoder against segment_anything's own, and against numpy."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from sarseg.decoders import decoder
from sarseg.decoders.box_prompted import BOXES_AT_ONCE, NO_MASK, BoxPromptedDecoder
from sarseg.errors import ModelError
from sarseg.sam.package import mask_decoder
from sarseg.sam.prompts import PromptEncoder
from tests.decoders import reference
from tests.sam.test_encoder import SMALL, randomise

SIZE = (48, 64)
GRID = (3, 4)
BOXES = ((5.0, 2.0, 30.0, 40.0), (0.0, 0.0, 63.0, 47.0), (12.5, 7.25, 13.0, 8.0))


@pytest.fixture
def decoding() -> BoxPromptedDecoder:
    model = BoxPromptedDecoder(SMALL).eval()
    randomise(model, 1)
    return model


@pytest.fixture
def prompts() -> PromptEncoder:
    model = PromptEncoder(SMALL)
    randomise(model, 2)
    return model


def embeddings(count: int) -> Tensor:
    return torch.randn(count, SMALL.out_chans, *GRID, generator=torch.Generator().manual_seed(3))


def decode(
    decoding: BoxPromptedDecoder,
    prompts: PromptEncoder,
    embedding: Tensor,
    boxes: Sequence[Sequence[Sequence[float]]],
) -> Tensor:
    tokens = [prompts.box_tokens(torch.tensor(of_one).reshape(-1, 4), SIZE) for of_one in boxes]
    return decoding(embedding, prompts.grid_positions(*GRID), prompts.no_mask(), tokens)


@torch.inference_mode()
def test_each_box_has_the_mask_of_segment_anything(
    decoding: BoxPromptedDecoder, prompts: PromptEncoder
) -> None:
    stock = mask_decoder.MaskDecoder(
        transformer_dim=SMALL.out_chans,
        transformer=decoding.transformer,
        iou_head_hidden_dim=SMALL.iou_head_hidden_dim,
    ).eval()
    stock.load_state_dict(decoding.state_dict(), strict=True)
    embedding = embeddings(1)
    expected, _ = stock.predict_masks(
        image_embeddings=embedding,
        image_pe=prompts.grid_positions(*GRID),
        sparse_prompt_embeddings=prompts.box_tokens(torch.tensor(BOXES), SIZE),
        dense_prompt_embeddings=prompts.no_mask(),
    )
    for box, masks in zip(BOXES, expected, strict=True):
        found = decode(decoding, prompts, embedding, [[box]])
        torch.testing.assert_close(found[0, 1], masks[0], rtol=1e-4, atol=1e-4)
        assert not found[0, 0].any()


@torch.inference_mode()
def test_head_agrees_with_numpy(decoding: BoxPromptedDecoder, prompts: PromptEncoder) -> None:
    decoding = decoding.double()
    embedding, positions = embeddings(1).double(), prompts.grid_positions(*GRID).double()
    prompted = embedding + prompts.no_mask()
    encoding, weights = reference.weights_of(prompts), reference.weights_of(decoding)
    masks, tokens = [], []
    for box in BOXES:
        tokens.append(torch.from_numpy(reference.box_tokens(np.array(box), SIZE, encoding)))
        mask_tokens, image = decoding.transform(prompted, positions, (tokens[-1].unsqueeze(0),))
        masks.append(reference.mask(mask_tokens[0, 0].numpy(), image[0].numpy(), weights, 0))
    found = decoding(embedding, positions, prompts.no_mask(), [torch.stack(tokens)])
    np.testing.assert_allclose(found[0, 1], np.max(masks, axis=0), rtol=1e-9, atol=1e-9)


@torch.inference_mode()
def test_box_tokens_agree_with_numpy(prompts: PromptEncoder) -> None:
    found = prompts.box_tokens(torch.tensor(BOXES), SIZE)
    weights = reference.weights_of(prompts)
    expected = np.stack([reference.box_tokens(np.array(box), SIZE, weights) for box in BOXES])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_images_and_chunks_do_not_see_each_other(
    decoding: BoxPromptedDecoder, prompts: PromptEncoder
) -> None:
    drawn = np.random.default_rng(4).uniform(0, 47, (BOXES_AT_ONCE + 5, 4))
    many = np.sort(drawn.reshape(-1, 2, 2), axis=1).reshape(-1, 4).tolist()
    boxes = [many[:3], [], many]
    embedding = embeddings(3)
    together = decode(decoding, prompts, embedding, boxes)
    assert together.shape == (3, 2, 4 * GRID[0], 4 * GRID[1])
    assert (together[1, 1] == NO_MASK).all()
    for index in (0, 2):
        one_by_one = [
            decode(decoding, prompts, embedding[index : index + 1], [[box]])[0, 1]
            for box in boxes[index]
        ]
        largest = torch.stack(one_by_one).amax(0)
        torch.testing.assert_close(together[index, 1], largest, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_the_order_of_boxes_does_not_matter(
    decoding: BoxPromptedDecoder, prompts: PromptEncoder
) -> None:
    embedding = embeddings(1)
    forwards = decode(decoding, prompts, embedding, [BOXES])
    backwards = decode(decoding, prompts, embedding, [BOXES[::-1]])
    torch.testing.assert_close(forwards, backwards, rtol=1e-5, atol=1e-5)


def test_a_batch_without_boxes_is_all_rest(
    decoding: BoxPromptedDecoder, prompts: PromptEncoder
) -> None:
    logits = decode(decoding, prompts, embeddings(2), [[], []])
    assert torch.isfinite(logits).all()
    assert (logits.softmax(1)[:, 0] == 1).all()


@pytest.mark.parametrize("num_classes", [1, 3])
def test_other_numbers_of_classes_are_refused(num_classes: int) -> None:
    with pytest.raises(ModelError, match=rf"two classes, not {num_classes}"):
        decoder("box-prompted").build(SMALL, num_classes)


@pytest.mark.parametrize("scale", [0.5, float("inf"), float("nan")])
def test_a_box_is_never_made_smaller(scale: float) -> None:
    with pytest.raises(ModelError, match="box_scale"):
        decoder("box-prompted", {"box_scale": scale})
