"""Conv-LoRA's end-to-end head: SAM's mask tokens as queries, each a mask and its class.

Zhong et al. 2024, "Convolution Meets LoRA" (arXiv 2401.17868), section 3.3, after Cheng et al.
2021, "Per-Pixel Classification is Not All You Need" (MaskFormer, arXiv 2107.06278).
"""

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from sarseg.decoders.base import Decoder
from sarseg.errors import ModelError
from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.decoder import MaskDecoder
from sarseg.sam.package import mask_decoder
from sarseg.sam.precision import full_precision

SAM_TOKENS = 4

_SPREAD = 0.1
"""Noise of a repeated mask token, relative to the standard deviation of SAM's tokens."""


class MaskClassification(Decoder):
    """Settings of the mask-classification decoder."""

    name: ClassVar[str] = "mask-classification"

    queries: int | None = Field(default=None, ge=1)
    """Masks to propose; None: as many as SAM has (4), or one a class where that is more."""

    def build(self, sizes: SamArchitecture, num_classes: int) -> "MaskClassificationDecoder":
        """The decoder for ``num_classes`` classes. Raises ModelError where they outnumber queries.

        In training each class of an image is matched to a query of its own.
        """
        queries = self.num_queries(num_classes)
        if queries < num_classes:
            raise ModelError(
                f"The decoder {self.name} has {queries} queries for {num_classes} classes, but "
                f"each class needs a query of its own: set queries to {num_classes} or more."
            )
        return MaskClassificationDecoder(sizes, num_classes, queries)

    def num_queries(self, num_classes: int) -> int:
        """How many masks are proposed for ``num_classes`` classes."""
        return max(SAM_TOKENS, num_classes) if self.queries is None else self.queries


class MaskClassificationDecoder(MaskDecoder):
    """SAM's mask decoder with Q mask tokens, and a linear classifier on what becomes of them.

    Weights of SAM are spread over the queries when they are loaded: query q begins as SAM's mask
    token ``q % 4`` with its hypernetwork. A repeated token gets a little noise, always the same:
    equal queries would give equal masks and equal costs, so that their order would choose which of
    them learns a class. SAM's iou head does not take part: frozen.
    """

    def __init__(self, sizes: SamArchitecture, num_classes: int, num_queries: int) -> None:
        super().__init__(sizes)
        width = sizes.out_chans
        self.iou_prediction_head.requires_grad_(False)
        self.num_mask_tokens = num_queries
        self.mask_tokens = nn.Embedding(num_queries, width)
        self.output_hypernetworks_mlps = nn.ModuleList(
            mask_decoder.MLP(width, width, width // 8, 3) for _ in range(num_queries)
        )
        self.classifier = nn.Linear(width, num_classes + 1)

    def forward(self, embedding: Tensor, positions: Tensor, dense_prompt: Tensor) -> Tensor:
        """Class logits ``(B, K, 4h, 4w)`` float32, whose softmax is MaskFormer's inference.

        ``embedding`` is ``(B, C, h, w)``, ``positions`` ``(1, C, h, w)``, ``dense_prompt``
        ``(1, C, 1, 1)``. The logit of class k is the logarithm of its score, the sum over queries
        of P(class k) * sigmoid(mask) (arXiv 2107.06278, section 3.4); the softmax divides by the
        sum of the scores. To resize these logits is to resize masks' logits, as SAM does: where
        two classes have one certain query each, with opposite masks, they differ by its logit.
        """
        class_logits, mask_logits = self.queries(embedding, positions, dense_prompt)
        with full_precision(embedding.device):
            classes = class_logits.float().softmax(dim=-1)[..., :-1]
            scores = torch.einsum("bqk,bqhw->bkhw", classes, mask_logits.float().sigmoid())
            return scores.clamp(min=torch.finfo(scores.dtype).tiny).log()

    def queries(
        self, embedding: Tensor, positions: Tensor, dense_prompt: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Class logits ``(B, Q, K + 1)``, the last for no object; masks ``(B, Q, 4h, 4w)``.

        Takes what ``forward`` takes.
        """
        mask_tokens, image = self.transform(embedding + dense_prompt, positions)
        hypernetworks = zip(self.output_hypernetworks_mlps, mask_tokens.unbind(1), strict=True)
        weights = torch.stack([mlp(token) for mlp, token in hypernetworks], dim=1)
        masks = torch.einsum("bqc,bchw->bqhw", weights, self.output_upscaling(image))
        return self.classifier(mask_tokens), masks

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        tokens = state_dict.get(f"{prefix}mask_tokens.weight")
        # four queries of our own have the shape of SAM's; to spread four over four changes nothing
        if tokens is not None and len(tokens) == SAM_TOKENS:
            _spread(state_dict, prefix, self.num_mask_tokens)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _spread(state_dict: dict[str, Tensor], prefix: str, num_queries: int) -> None:
    """Turn SAM's mask tokens and hypernetworks in ``state_dict`` into those of the queries."""
    token_name, mlps = f"{prefix}mask_tokens.weight", f"{prefix}output_hypernetworks_mlps."
    tokens = state_dict[token_name].float()
    repeated = tokens[torch.arange(num_queries) % SAM_TOKENS]
    noise = torch.randn(repeated.shape, generator=torch.Generator().manual_seed(0))
    noise[:SAM_TOKENS] = 0
    state_dict[token_name] = repeated + _SPREAD * tokens.std() * noise.to(tokens.device)

    for name in [name for name in state_dict if name.startswith(mlps)]:
        source, parameter = name.removeprefix(mlps).split(".", 1)
        tensor = state_dict.pop(name)
        for query in range(int(source), num_queries, SAM_TOKENS):
            state_dict[f"{mlps}{query}.{parameter}"] = tensor
