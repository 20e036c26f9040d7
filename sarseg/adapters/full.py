"""Full fine-tuning: nothing is added, everything trains."""

from pydantic import BaseModel, ConfigDict

from sarseg.sam.encoder import ImageEncoder


class Full(BaseModel):
    """No settings: the whole encoder trains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def install(self, encoder: ImageEncoder) -> None:
        """Let every parameter of ``encoder`` train."""
        encoder.requires_grad_(True)
