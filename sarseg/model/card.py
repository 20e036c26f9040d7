"""What a model file says about itself."""

from importlib.metadata import version
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sarseg import __version__
from sarseg.classes import LandCoverClass
from sarseg.filters.preparation import Preparation
from sarseg.model.bands import BandInputs


def library_versions() -> dict[str, str]:
    """Versions of what a model's numbers depend on."""
    return {"sarseg": __version__, **{name: version(name) for name in ("torch", "numpy")}}


class ModelCard(BaseModel):
    """Everything ``predict`` must know beside the weights, and where the model came from.

    Channel ``k`` of the logits is ``classes[k]``; band ``i`` of the input is ``inputs.slots[i]``,
    scaled by ``preparation.scaling[i]``. ``pixel_size`` is that of the training data in metres,
    where it was known. Logits are divided by ``temperature`` before they become probabilities, so
    that those say how often the class is right (Guo et al. 2017, arXiv 1706.04599).
    ``backbone_sha256`` is that of the weights that the model was trained on; it is empty where
    training began with random ones, and the file holds all weights (``holds_backbone``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[2] = 2
    backbone: str
    backbone_sha256: str
    method: str
    method_settings: dict[str, Any] = Field(default_factory=dict)
    decoder: str = "classwise"
    decoder_settings: dict[str, Any] = Field(default_factory=dict)
    classes: tuple[LandCoverClass, ...] = Field(min_length=2)
    inputs: BandInputs
    preparation: Preparation
    tile_size: int = Field(gt=0, multiple_of=16)
    pixel_size: float | None = Field(default=None, gt=0)
    temperature: float = Field(default=1.0, gt=0)
    training: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=library_versions)

    @property
    def holds_backbone(self) -> bool:
        """Whether the model's file has all weights, and needs no other."""
        return not self.backbone_sha256

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len(self.preparation.scaling) != len(self.inputs):
            raise ValueError("the preparation must scale as many bands as the model takes")
        if len({entry.id for entry in self.classes}) != len(self.classes):
            raise ValueError("two classes have the same id")
        return self
