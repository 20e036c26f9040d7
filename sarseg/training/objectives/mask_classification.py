"""Set prediction: how the mask-classification decoder is trained.

Cheng et al. 2021, MaskFormer (arXiv 2107.06278), section 3.2, with the costs of Cheng et al. 2022,
Mask2Former (arXiv 2112.01527), section 3.2, and the weights of Conv-LoRA (arXiv 2401.17868).
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from sarseg.decoders.mask_classification import MaskClassificationDecoder
from sarseg.model.segmenter import Segmenter
from sarseg.sam.precision import full_precision
from sarseg.training.losses.base import present
from sarseg.training.objectives.base import Objective

CLASS, MASK, DICE = 10.0, 5.0, 5.0
"""Weights of the three parts, in the matching and in the loss."""

NO_OBJECT = 0.1
"""Weight of queries without a class in the cross-entropy."""


class SetPrediction(Objective[Segmenter]):
    """Each class in an image is matched to one query, which learns its name and its mask.

    The matching minimises ``10 * (-P(class)) + 5 * BCE + 5 * Dice``; the loss is ``10 *
    cross-entropy + 5 * BCE + 5 * Dice``, the first the mean over all queries, weighted by class,
    the others means over the matched pairs of the batch. Queries without a class learn "no
    object"; queries of images without a labelled pixel learn nothing.

    Masks are compared with the labels at the labels' resolution, each mask pixel standing for the
    square of label pixels that it covers. What matters of a square is how many of its pixels have
    each class, so nothing larger than the masks is ever made.
    """

    def __init__(self, class_weights: Sequence[float], num_queries: int) -> None:
        super().__init__()
        self.num_queries = num_queries
        weights = torch.tensor([*class_weights, NO_OBJECT])
        self.register_buffer("class_weights", weights, persistent=False)
        self.class_weights: Tensor

    def weights(self, labels: Tensor) -> Tensor:
        """Weight of the queries that learn a name, and how many pairs are matched: ``(2,)``."""
        found = present(labels, len(self.class_weights) - 1).type_as(self.class_weights)
        pairs = found.sum(dim=1)
        spare = (self.num_queries - pairs) * (pairs > 0)
        naming = found @ self.class_weights[:-1] + spare * self.class_weights[-1]
        return torch.stack([naming.sum(), pairs.sum()])

    def totals(self, network: Segmenter, bands: Tensor, labels: Tensor) -> Tensor:
        """See ``Objective.totals``; ``(2,)``: of the names and of the masks."""
        decoder = network.mask_decoder
        assert isinstance(decoder, MaskClassificationDecoder)
        embedding = network.embed(bands)
        class_logits, masks = decoder.queries(embedding, *network.image_prompts(embedding))
        with full_precision(bands.device):
            return self.totals_of_queries(class_logits.float(), masks.float(), labels)

    def totals_of_queries(self, class_logits: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
        """``totals`` of ``class_logits`` ``(B, Q, K + 1)`` and ``masks`` ``(B, Q, h, w)``.

        ``labels`` are ``(B, S, S)``; S is a multiple of h and w.
        """
        no_object = class_logits.shape[-1] - 1
        pixels = pixels_by_class(labels, no_object, masks.shape[-1]).type_as(masks)
        bce, dice = pairwise_losses(masks.flatten(2), pixels)
        found = pixels.any(dim=-1)
        cost = MASK * bce + DICE * dice - CLASS * class_logits.softmax(dim=-1)[..., :-1]
        matched = match(cost.detach(), found)

        images, queries, classes = matched
        targets = torch.full_like(class_logits[..., 0], no_object, dtype=torch.long)
        targets[images, queries] = classes
        surprise = functional.cross_entropy(
            class_logits.flatten(0, 1), targets.flatten(), reduction="none"
        ).view_as(targets)
        weights = self.class_weights[targets] * found.any(dim=1, keepdim=True)
        drawing = MASK * bce[matched] + DICE * dice[matched]
        return torch.stack([CLASS * (weights * surprise).sum(), drawing.sum()])


def pixels_by_class(labels: Tensor, num_classes: int, width: int) -> Tensor:
    """Label pixels of each class under each pixel of a mask of ``width``: ``(B, K, h * w)``."""
    side = labels.shape[-1] // width
    counts = [
        functional.avg_pool2d((labels == index).float(), side, divisor_override=1)
        for index in range(num_classes)
    ]
    return torch.stack(counts, dim=1).flatten(2)


def pairwise_losses(masks: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy and Dice loss of every query with every class: ``(B, Q, K)`` each.

    ``masks`` are logits ``(B, Q, N)``, ``pixels`` counts ``(B, K, N)``; unlabelled pixels, which
    ``pixels`` does not count, are left out of both. Dice is smoothed by one pixel.
    """
    labelled = pixels.sum(dim=1)
    # BCE with t of v pixels true is v * softplus(m) - t * m
    spread = torch.einsum("bqn,bn->bq", functional.softplus(masks), labelled).unsqueeze(-1)
    agreement = torch.einsum("bqn,bkn->bqk", masks, pixels)
    bce = (spread - agreement) / labelled.sum(dim=-1).clamp(min=1).view(-1, 1, 1)

    inside = masks.sigmoid()
    shared = torch.einsum("bqn,bkn->bqk", inside, pixels)
    drawn = torch.einsum("bqn,bn->bq", inside, labelled).unsqueeze(-1)
    true = pixels.sum(dim=-1).unsqueeze(1)
    return bce, 1 - (2 * shared + 1) / (drawn + true + 1)


def match(cost: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The cheapest way to give each class in an image a query of its own.

    ``cost`` is ``(B, Q, K)``, ``present`` ``(B, K)`` bool. Returns index tensors of equal length:
    images, queries, classes.
    """
    found: list[tuple[int, int, int]] = []
    # a diverged network's costs are no numbers; its loss says so, not the matching
    costs = torch.nan_to_num(cost).cpu().numpy()
    for image, (of_image, classes) in enumerate(zip(costs, present.cpu().numpy(), strict=True)):
        wanted = np.flatnonzero(classes)
        queries, columns = linear_sum_assignment(of_image[:, wanted])
        found += [(image, q, k) for q, k in zip(queries, wanted[columns], strict=True)]
    indices = torch.tensor(found, dtype=torch.long).reshape(-1, 3).to(cost.device)
    images, queries, classes = indices.unbind(1)
    return images, queries, classes
