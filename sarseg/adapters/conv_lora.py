"""Conv-LoRA: low-rank updates that see neighbours, at a scale that each map chooses.

Zhong et al. 2024, "Convolution Meets LoRA: Parameter Efficient Finetuning for Segment Anything
Model" (arXiv 2401.17868). The gate is that of Shazeer et al. 2017, "Outrageously Large Neural
Networks: The Sparsely-Gated Mixture-of-Experts Layer" (arXiv 1701.06538). Parameter names are
those of the authors' released checkpoints.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.module_tracker import ModuleTracker

from sarseg.adapters.base import AdaptationMethod
from sarseg.adapters.low_rank import LowRankLinear, down_projection, up_projection
from sarseg.sam.encoder import AuxiliaryLoss, ImageEncoder
from sarseg.sam.precision import full_precision

_LEAST_NOISE = 1e-2


class ConvLora(AdaptationMethod):
    """Settings of Conv-LoRA."""

    name: ClassVar[str] = "conv-lora"

    rank: int = Field(default=3, ge=1)
    alpha: float = Field(default=8.0, gt=0, allow_inf_nan=False)
    """The updates are multiplied by alpha / rank."""
    experts: int = Field(default=8, ge=1)
    """Expert s, of 1 to this many, convolves the map at s times its size."""
    gate: Literal["mixture", "sum"] = "mixture"
    """``mixture``: each map chooses its experts. ``sum``: every map takes all, for ablation; then
    ``top_k`` and ``balance_weight`` mean nothing."""
    top_k: int = Field(default=1, ge=1)
    """How many experts a map chooses."""
    balance_weight: float = Field(default=1e-2, ge=0, allow_inf_nan=False)
    """Weight of the loss that spreads the maps over the experts."""

    @field_validator("top_k")
    @classmethod
    def _are_there(cls, top_k: int, info: ValidationInfo) -> int:
        experts = info.data.get("experts", top_k)
        if top_k > experts:
            raise ValueError(f"a map cannot choose more experts than there are, {experts}")
        return top_k

    def install(self, encoder: ImageEncoder) -> None:
        """Freeze ``encoder`` and add the updates to every attention."""
        encoder.requires_grad_(False)
        for block in encoder.plain_blocks():
            block.attn.qkv = ConvLoraLinear(block.attn.qkv, self)


class ConvLoraLinear(LowRankLinear):
    """``W x + alpha / r * B (z + e(z))`` with ``z = A x`` as a map and ``e`` its experts."""

    def __init__(self, qkv: nn.Linear, settings: ConvLora) -> None:
        super().__init__(qkv)
        rank = settings.rank
        self.scale = settings.alpha / rank
        self.lora_A = down_projection(rank, self.in_features)
        self.lora_B = up_projection(self.out_features, rank)
        self.lora_moe_gating = ExpertGate(settings) if settings.gate == "mixture" else None
        self.lora_moe_experts = nn.ModuleList(
            nn.Sequential(nn.Conv2d(rank, rank, kernel_size=3, padding=1), nn.GELU())
            for _ in range(settings.experts)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(M, H, W, D) -> (M, H, W, 3 D)``: M maps, each a window or a whole image."""
        maps = functional.linear(x, self.lora_A).permute(0, 3, 1, 2)
        maps = (maps + self._expertise(maps)).permute(0, 2, 3, 1)
        return super().forward(x) + self.scale * functional.linear(maps, self.lora_B)

    def _expertise(self, maps: Tensor) -> Tensor:
        """Sum of what the experts make of ``maps`` ``(M, r, H, W)``, same shape."""
        if self.lora_moe_gating is None:
            return torch.stack([self._expert(i, maps) for i in self._numbers()]).sum(0)
        chosen = self.lora_moe_gating(maps)
        total = torch.zeros_like(maps)
        for i in self._numbers():
            takers = (chosen == i).any(dim=1).nonzero()[:, 0]
            if len(takers) > 0:
                total = total.index_add(0, takers, self._expert(i, maps[takers]))
        return total

    def _numbers(self) -> range:
        return range(len(self.lora_moe_experts))

    def _expert(self, number: int, maps: Tensor) -> Tensor:
        height, width = maps.shape[-2:]
        factor = number + 1
        enlarged = _resized(maps, (factor * height, factor * width))
        return _resized(self.lora_moe_experts[number](enlarged), (height, width))


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    if maps.shape[-2:] == size:
        return maps
    return functional.interpolate(maps, size=size, mode="bicubic", align_corners=False)


class ExpertGate(nn.Module, AuxiliaryLoss):
    """Noisy top-k gating (Shazeer et al. 2017, section 2.1) of maps by their means.

    Its auxiliary loss grows as the maps crowd on few experts (appendix A there).
    """

    def __init__(self, settings: ConvLora) -> None:
        super().__init__()
        self.top_k = settings.top_k
        self.balance_weight = settings.balance_weight
        self.auxiliary_loss = torch.zeros(())
        self.w_gate = nn.Parameter(torch.zeros(settings.rank, settings.experts))
        self.w_noise = nn.Parameter(torch.zeros(settings.rank, settings.experts))

    def forward(self, maps: Tensor) -> Tensor:
        """Numbers of the experts that each of ``maps`` ``(M, r, H, W)`` chooses: ``(M, top_k)``."""
        with full_precision(maps.device):
            chosen, loss = self._choose(maps.to(self.w_gate.dtype).mean(dim=(2, 3)))
        # Gradient checkpointing comes here again from within the backward pass. The loss of that
        # visit is the same, but storing it would keep alive what checkpointing means to let go.
        if not _TRACKER.is_bw:
            self.auxiliary_loss = loss
        return chosen

    def _choose(self, means: Tensor) -> tuple[Tensor, Tensor]:
        """Experts ``(M, top_k)`` and balance loss of maps by their ``means`` ``(M, r)``."""
        clean = means @ self.w_gate
        num_experts = clean.shape[1]
        scores = clean
        if self.training:
            spread = functional.softplus(means @ self.w_noise) + _LEAST_NOISE
            scores = clean + torch.randn_like(clean) * spread
        best = scores.topk(min(self.top_k + 1, num_experts), dim=1)
        chosen, weights = best.indices[:, : self.top_k], best.values[:, : self.top_k].softmax(dim=1)
        importance = torch.zeros_like(scores).scatter(1, chosen, weights).sum(0)
        if self.training and self.top_k < num_experts:
            # an expert is chosen where its score is above the best of those it would drive out
            last_in, first_out = best.values[:, [self.top_k - 1]], best.values[:, [self.top_k]]
            to_beat = torch.where(scores > first_out, first_out, last_in)
            load = torch.special.ndtr((clean - to_beat) / spread).sum(0)
        else:
            load = functional.one_hot(chosen, num_experts).sum(dim=(0, 1)).to(scores.dtype)
        imbalance = squared_variation(importance) + squared_variation(load)
        return chosen, self.balance_weight * imbalance


_TRACKER = ModuleTracker()


def squared_variation(amounts: Tensor) -> Tensor:
    """Squared coefficient of variation of ``amounts`` ``(n,)``: unbiased variance / mean squared.

    0 where there is one amount alone.
    """
    if len(amounts) == 1:
        return torch.zeros_like(amounts).sum()
    return amounts.var() / amounts.mean().square().clamp(min=1e-10)
