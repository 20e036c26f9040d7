"""Sizes of a Segment Anything Model, and the ones that sarseg knows by name."""

from dataclasses import dataclass

from sarseg.errors import ModelError


@dataclass(frozen=True)
class SamArchitecture:
    """Every size that shapes a SAM (Kirillov et al. 2023, "Segment Anything").

    ``image_size`` is the side in pixels that the position table was made for; other sides that
    are multiples of ``patch_size`` are served by resizing the table.
    """

    image_size: int
    embed_dim: int
    depth: int
    num_heads: int
    global_attn_indexes: tuple[int, ...]
    patch_size: int = 16
    window_size: int = 14
    out_chans: int = 256
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    iou_head_hidden_dim: int = 256


ARCHITECTURES: dict[str, SamArchitecture] = {
    # sarseg's own: SAM's architecture with DeiT-Tiny's width (Touvron et al. 2021) and a decoder
    # half as wide. 448 px are 28 patches, two attention windows exactly.
    "vit_t": SamArchitecture(
        image_size=448,
        embed_dim=192,
        depth=12,
        num_heads=3,
        global_attn_indexes=(2, 5, 8, 11),
        out_chans=128,
        decoder_mlp_dim=512,
        iou_head_hidden_dim=128,
    ),
    # Meta's
    "vit_b": SamArchitecture(1024, 768, 12, 12, (2, 5, 8, 11)),
    "vit_l": SamArchitecture(1024, 1024, 24, 16, (5, 11, 17, 23)),
    "vit_h": SamArchitecture(1024, 1280, 32, 16, (7, 15, 23, 31)),
}


def architecture(backbone: str) -> SamArchitecture:
    """Sizes of the backbone called ``backbone``; ModelError names the known ones otherwise."""
    try:
        return ARCHITECTURES[backbone]
    except KeyError:
        known = ", ".join(ARCHITECTURES)
        message = f"There is no backbone {backbone!r}; choose one of: {known}."
        raise ModelError(message) from None
