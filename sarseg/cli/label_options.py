"""Options that say where labels come from, and how pixels are divided into splits."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sarseg.errors import UsageError

if TYPE_CHECKING:
    from sarseg.datasets.splits import SpatialBlocks

_LABELS = "Labels"
_SPLITS = "Splits"


def _option(panel: str, name: str, metavar: str, help_text: str, default: str = "") -> Any:
    """An option; ``default`` says what None stands for."""
    return typer.Option(
        name,
        metavar=metavar,
        help=help_text,
        rich_help_panel=panel,
        show_default=default or True,
    )


LabelsOption = Annotated[
    Path | None,
    _option(_LABELS, "--labels", "FILE", "Raster of class ids, on any grid, or polygons."),
]
LabelAttributeOption = Annotated[
    str | None,
    _option(
        _LABELS,
        "--label-attribute",
        "NAME",
        "What holds a polygon's class, as an id or a name.",
        "class_id",
    ),
]
ClassesOption = Annotated[
    Path | None,
    _option(
        _LABELS,
        "--classes",
        "TABLE.YAML",
        "Names of the class ids, colours, and which label values mean each class.",
    ),
]
IgnoreOption = Annotated[
    list[str] | None,
    _option(
        _LABELS,
        "--ignore",
        "VALUE[,VALUE]",
        "Label values that mean unlabelled, besides the nodata tag and 255. Repeatable.",
    ),
]
SplitOption = Annotated[
    str | None,
    _option(
        _SPLITS,
        "--split",
        "FILE|blocks",
        "Raster, on any grid, of 1 train, 2 validation, 3 test, else none; polygons that say so; "
        "or blocks, for squares of the scene.",
    ),
]
SplitAttributeOption = Annotated[
    str | None,
    _option(
        _SPLITS,
        "--split-attribute",
        "NAME",
        "What holds a polygon's split: 1, 2, 3, or train, validation, test.",
        "split",
    ),
]
BlockSizeOption = Annotated[
    int | None,
    _option(_SPLITS, "--block-size", "PX", "Side of a block.", "twice that of a chip"),
]
GuardOption = Annotated[
    int | None,
    _option(
        _SPLITS,
        "--guard",
        "PX",
        "Pixels that are not further from a block of another split belong to none.",
        "0",
    ),
]
SharesOption = Annotated[
    str | None,
    _option(
        _SPLITS,
        "--shares",
        "A,B,C",
        "Shares of train, validation and test in the blocks.",
        "70,15,15",
    ),
]
SplitSeedOption = Annotated[
    int | None,
    _option(_SPLITS, "--split-seed", "N", "Chooses how blocks are dealt.", "0"),
]


def ignored_values(texts: Sequence[str] | None) -> list[int | str]:
    """``["0,99", "unknown"]`` as ``[0, 99, "unknown"]``."""
    parts = [part.strip() for text in texts or () for part in text.split(",")]
    return [int(part) if part.removeprefix("-").isdecimal() else part for part in parts if part]


def spatial_blocks(
    split: str | None,
    chip_size: int,
    *,
    block_size: int | None,
    guard: int | None,
    shares: str | None,
    seed: int | None,
) -> "SpatialBlocks":
    """The blocks that the options choose for chips of ``chip_size`` pixels.

    Raises UsageError where an option makes no sense, or is given although ``split`` asks for no
    blocks.
    """
    from sarseg.datasets.splits import BLOCKS, SpatialBlocks

    given = {"--block-size": block_size, "--guard": guard, "--shares": shares, "--split-seed": seed}
    chosen = [name for name, value in given.items() if value is not None]
    if chosen and split != BLOCKS:
        raise UsageError(f"{chosen[0]} is about blocks: give --split {BLOCKS}.")
    defaults = SpatialBlocks(2 * chip_size)
    return SpatialBlocks(
        size=defaults.size if block_size is None else block_size,
        guard=defaults.guard if guard is None else guard,
        shares=defaults.shares if shares is None else _three_numbers(shares),
        seed=defaults.seed if seed is None else seed,
    )


def _three_numbers(text: str) -> tuple[float, float, float]:
    try:
        train, validation, test = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--shares is {text!r}; give three numbers for train, validation and test, as in "
            "70,15,15."
        ) from error
    return train, validation, test
