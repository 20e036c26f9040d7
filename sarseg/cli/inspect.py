"""``sarseg inspect``: what adaptation changed in a model's encoder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sarseg.cli import console
from sarseg.cli.jobs import read_as
from sarseg.cli.options import (
    BackboneWeightsOption,
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
)
from sarseg.cli.output_names import check_suffix
from sarseg.cli.scene_options import check_scene_named, takes_reading
from sarseg.errors import UsageError
from sarseg.scenes.reading import DEFAULT, Reading
from sarseg.wording import counted

if TYPE_CHECKING:
    from sarseg.analysis.adaptation import Adaptation


@takes_reading
def inspect(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL",
            help="A file that `sarseg train` wrote; else the embedded model.",
        ),
    ] = None,
    scene: Annotated[
        list[str] | None,
        typer.Option(
            "--scene",
            metavar="FILE",
            help="The scene to look with; once for each of its files. Else a simulated one.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PAGE.html", help="Page with plots to write."),
    ] = None,
    tiles: Annotated[
        int, typer.Option("--tiles", min=1, metavar="N", help="Tiles to look with, at most.")
    ] = 8,
    backbone_weights: BackboneWeightsOption = None,
    overwrite: OverwriteOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Show what adaptation changed in a model's encoder.

    How far each attention head looks and which spatial frequencies the features hold, before and
    after, and the low and high frequencies that go in.

    Example: sarseg inspect model.safetensors --scene vv.tif --scene vh.tif -o inspected.html
    """
    console.set_quiet(quiet)
    if output is None and not as_json:
        raise UsageError("Nothing to write was named: give -o inspected.html, --json, or both.")
    check_scene_named(scene, reading)
    if output is not None:
        _check_output(output, [*([model] if model else []), *map(Path, scene or [])], overwrite)

    from sarseg.analysis.adaptation import adaptation
    from sarseg.analysis.examples import example_tiles, simulated_scene
    from sarseg.analysis.page import write_page
    from sarseg.evaluation.judging import model_facts
    from sarseg.model.device import choose_device
    from sarseg.model.file import load_model
    from sarseg.prediction.fit import doubts
    from sarseg.scenes.reader import Scene

    loaded = load_model(model, backbone_weights=backbone_weights, device=choose_device(device))
    looked_at = Scene.open(scene, reading) if scene else simulated_scene(loaded.card, tiles)
    with looked_at as opened:
        if scene:
            console.say(f"{opened.name}: {read_as(opened)}.")
            for warning in (*opened.doubts, *doubts(opened, loaded.card)):
                console.warn(warning)
        bands = example_tiles(opened, loaded.card, tiles)
        facts = {
            **model_facts(loaded, model or Path("embedded")),
            "Scene": opened.name if scene else "simulated",
        }
    found = adaptation(loaded, bands, backbone_weights)
    if output is not None:
        title = f"What {loaded.card.method} changed in {loaded.card.backbone}"
        write_page(output, found, title, facts)
        console.say(f"Wrote {output}, from {counted(found.tiles, 'tile')}.")
    if as_json:
        console.emit({"page": output, **facts, **_figures(found)})


def _check_output(output: Path, inputs: list[Path], overwrite: bool) -> None:
    from sarseg.scenes.output import check_output

    check_suffix(output, (".html", ".htm"), "inspected.html")
    check_output(output, overwrite=overwrite, inputs=inputs)


def _figures(found: "Adaptation") -> dict[str, Any]:
    """Attention distances in pixels, a list of heads a block; log amplitudes, from zero to the
    highest frequency."""
    return {
        "tiles": found.tiles,
        "tile_size": found.tile_size,
        "blocks_over_the_whole_tile": [number + 1 for number in found.whole_image],
        **{
            when: {
                "attention_distance": each.distances.tolist(),
                "log_amplitude": each.spectra.tolist(),
            }
            for when, each in (("before", found.before), ("after", found.after))
        },
    }
