"""What a training run can be told."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sarseg.filters.chain import Filters


class TrainSettings(BaseModel):
    """Settings of ``sarseg train``.

    Optimiser, learning rate and its decay are CWSAM's: AdamW, 2e-4, cosine to 1e-7 (arXiv
    2401.02326, section IV). The authors train for 200 epochs, one image a GPU on two GPUs, with
    their own class weights and without augmentation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    """A folder written by ``sarseg tile``, or the name of a published dataset (fusar, fusar2)."""
    data: Path | None = None
    """Where the published dataset lies."""
    foreground: str | None = None
    """Name or id of the one class to map against all the others; None: all of them."""
    method: str = "cwsam"
    method_settings: dict[str, Any] = Field(default_factory=dict)
    decoder: str = "classwise"
    decoder_settings: dict[str, Any] = Field(default_factory=dict)
    backbone: str = "vit_t"
    backbone_weights: Path | None = None
    filters: Filters | None = None
    """Speckle and frequency filters; None: those that the chips went through, else Lee."""
    epochs: int = Field(default=20, gt=0)
    batch_size: int = Field(default=2, gt=0)
    learning_rate: float = Field(default=2e-4, gt=0, allow_inf_nan=False)
    final_learning_rate: float = Field(default=1e-7, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    class_weights: Literal["none", "frequency", "published"] = "none"
    augment: bool = True
    """Random flips and quarter turns."""
    gradient_checkpointing: bool = False
    """Less memory for more time: see ``ImageEncoder``."""
    seed: int = Field(default=0, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
