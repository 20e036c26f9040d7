"""``sarseg parameters``: what each method costs on each backbone."""

from typing import TYPE_CHECKING, Annotated

import typer

from sarseg.cli import console
from sarseg.cli.options import JsonOption

if TYPE_CHECKING:
    from sarseg.model.parameters import ParameterCount

_PUBLISHED = (
    "CWSAM's released code (Pu et al. 2024, arXiv 2401.02326) counts 104.96 M in all and 15.29 M "
    "trainable on vit_b with 5 classes; 3.55 M of both belong to adapters that it never runs and "
    "sarseg does not make."
)


def parameters(
    classes: Annotated[
        int | None,
        typer.Option(
            "--classes",
            metavar="N",
            min=2,
            help="Classes of the map.",
            show_default="5; 2 for box-prompted",
        ),
    ] = None,
    decoder: Annotated[
        str,
        typer.Option(
            "--decoder", metavar="NAME", help="classwise, mask-classification or box-prompted."
        ),
    ] = "classwise",
    as_json: JsonOption = False,
) -> None:
    """Print how many parameters each method has and trains, on each backbone, in millions.

    Example: sarseg parameters --classes 10 --decoder mask-classification
    """
    from dataclasses import asdict

    from sarseg.adapters import METHODS, method
    from sarseg.decoders import decoder as decoder_named
    from sarseg.model.parameters import count_parameters
    from sarseg.sam.architecture import ARCHITECTURES

    decoding = decoder_named(decoder)
    num_classes = classes or (2 if decoding.takes_boxes else 5)
    counts = {
        backbone: {
            name: count_parameters(backbone, method(name), decoding, num_classes)
            for name in METHODS
        }
        for backbone in ARCHITECTURES
    }
    if as_json:
        console.emit(
            {
                "classes": num_classes,
                "decoder": decoder,
                "parameters": {
                    backbone: {name: asdict(count) for name, count in by_method.items()}
                    for backbone, by_method in counts.items()
                },
            }
        )
        return
    _print_table(counts, f"{decoder} decoder, {num_classes} classes")
    if decoder == "classwise" and num_classes == 5:
        console.say(_PUBLISHED)


def _print_table(counts: "dict[str, dict[str, ParameterCount]]", title: str) -> None:
    from rich.table import Table

    table = Table("backbone", "method", "total (M)", "trainable (M)", "share", title=title)
    for column in table.columns[2:]:
        column.justify = "right"
    for backbone, by_method in counts.items():
        for name, count in by_method.items():
            share = count.trainable / count.total
            millions = (f"{number / 1e6:.3f}" for number in (count.total, count.trainable))
            table.add_row(backbone, name, *millions, f"{share:.2%}")
        table.add_section()
    console.stderr.print(table)
