"""SAM's prompt encoder, for images of any size."""

from torch import Tensor

from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.package import prompt_encoder
from sarseg.sam.precision import full_precision


class PromptEncoder(prompt_encoder.PromptEncoder):  # type: ignore[misc, name-defined]
    """SAM's prompt encoder, all of its parameters under SAM's names, frozen.

    None of the published systems trains it.
    """

    def __init__(self, sizes: SamArchitecture) -> None:
        side = sizes.image_size // sizes.patch_size
        super().__init__(
            embed_dim=sizes.out_chans,
            image_embedding_size=(side, side),
            input_image_size=(sizes.image_size, sizes.image_size),
            mask_in_chans=16,
        )
        self.requires_grad_(False)

    def grid_positions(self, height: int, width: int) -> Tensor:
        """Positional encoding of a grid of patches: ``(1, C, h, w)``."""
        with full_precision(self.no_mask_embed.weight.device):
            encoding: Tensor = self.pe_layer((height, width))
        return encoding.unsqueeze(0)

    def no_mask(self) -> Tensor:
        """The dense prompt of an image without a mask prompt: ``(1, C, 1, 1)``."""
        embedding: Tensor = self.no_mask_embed.weight
        return embedding.reshape(1, -1, 1, 1)

    def box_tokens(self, boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
        """Two tokens a box: ``(N, 4) -> (N, 2, C)``.

        A box is x0, y0, x1, y1 in pixels of an image of ``image_size`` (rows, columns).
        """
        corners = boxes.reshape(-1, 2, 2) + 0.5  # SAM means the centres of the corner pixels
        with full_precision(boxes.device):
            encoded: Tensor = self.pe_layer.forward_with_coords(corners, image_size)
        upper_left, lower_right = self.point_embeddings[2].weight, self.point_embeddings[3].weight
        encoded[:, 0] += upper_left[0]
        encoded[:, 1] += lower_right[0]
        return encoded
