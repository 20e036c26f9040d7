"""Reports of scenes, models and datasets as people read them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sarseg.model.checkpoints import RELEASED

if TYPE_CHECKING:
    from sarseg.classes import LandCoverClass
    from sarseg.filters.chain import Filters
    from sarseg.inspection.dataset import DatasetReport
    from sarseg.inspection.fit import FitReport
    from sarseg.inspection.model import ModelReport
    from sarseg.inspection.scene import BandReport, Placement, SceneReport
    from sarseg.model.bands import BandInputs
    from sarseg.model.card import ModelCard

_HOW_KNOWN = {
    "option": "as --input-unit says",
    "tag": "as the file's tag says",
    "name": "as the names say",
    "product": "calibrated by sarseg",
    "guess": "guessed",
}


def scene_text(report: "SceneReport") -> list[RenderableType]:
    """A scene: its facts, its bands and their statistics."""
    facts = _facts(
        report.name,
        ("files", "\n".join(report.files)),
        ("size", f"{report.height} rows x {report.width} columns"),
        ("georeferencing", _placement(report.placement)),
        ("pixel size", _metres(report.pixel_size)),
        ("numbers", f"{report.unit}, {_HOW_KNOWN[report.unit_source]}"),
        *((band.name, _band(band)) for band in report.bands),
        ("left out", "\n".join(report.left_out)),
    )
    measured = [band for band in report.bands if band.statistics is not None]
    backscatter = [band for band in measured if band.role == "backscatter"]
    auxiliary = [band for band in measured if band.role == "auxiliary"]
    parts: list[RenderableType] = [facts]
    of_what = "samples" if report.sampled else "valid pixels"
    if backscatter:
        parts.append(_statistics(f"backscatter of {of_what}, dB", backscatter, looks=True))
        parts.append(Text("spread: half of 16 % to 84 %; mean: of the linear intensity"))
    if auxiliary:
        parts.append(_statistics(f"auxiliary bands, {of_what}", auxiliary, looks=False))
    return parts


def fit_text(report: "FitReport") -> str:
    """That a scene fits a model, in a sentence."""
    empty = f"; {', '.join(report.empty)} stays empty" if report.empty else ""
    return f"The model takes {' + '.join(report.bands)} of the scene{empty}."


def model_text(report: "ModelReport") -> list[RenderableType]:
    """A model: its facts, its classes and its metrics."""
    card = report.card
    facts = _facts(
        report.file.name,
        ("file", f"{report.file}, {report.size / 1e6:.1f} MB"),
        ("SHA-256", report.sha256),
        ("method", _with_settings(card.method, card.method_settings)),
        ("decoder", _with_settings(card.decoder, card.decoder_settings)),
        ("backbone", card.backbone),
        ("its weights", _weights(report)),
        ("parameters", f"{report.parameters / 1e6:.2f} M in the file"),
        ("takes", _inputs(card.inputs)),
        ("preparation", "\n".join(_preparation(card))),
        ("tiles", f"{card.tile_size} x {card.tile_size} pixels"),
        ("pixel size", _metres(card.pixel_size)),
        (
            "trained on",
            "\n".join(_training(card)),
        ),
        ("metrics", ", ".join(_metrics(card))),
        ("made with", ", ".join(f"{name} {version}" for name, version in card.versions.items())),
    )
    return [facts, _classes(card)]


def dataset_text(report: "DatasetReport") -> list[RenderableType]:
    """A dataset: its facts, and the chips and pixels of each split."""
    facts = _facts(
        report.name,
        ("bands", ", ".join(report.bands)),
        ("numbers", ", ".join(report.units)),
        ("chips", f"{report.size} x {report.size} pixels"),
        ("filters", ", ".join(_filters(report.filters)) or "none yet"),
        ("pixel size", _metres(report.pixel_size)),
        (
            "scenes",
            "\n".join(
                f"{scene.name}, {scene.height} x {scene.width} pixels, {_metres(scene.pixel_size)}"
                for scene in report.scenes
            ),
        ),
        ("splits", report.division),
        ("remarks", "\n".join(report.remarks)),
    )
    splits = _table("labelled pixels", "class")
    for split in report.splits:
        splits.add_column(split, justify="right", no_wrap=True)
    chips = [f"{split.chips:,}" for split in report.splits.values()]
    splits.add_row(Text("chips", style="italic"), *chips, end_section=True)
    for entry in report.classes:
        counts = (of_split.pixels[entry.name] for of_split in report.splits.values())
        splits.add_row(_swatch(entry), *(f"{count:,}" for count in counts))
    return [facts, splits]


def _facts(title: str, *facts: tuple[str, str]) -> Table:
    """Names and values side by side; facts without a value are left out."""
    table = Table.grid(padding=(0, 2))
    table.title, table.title_justify = Text(title, style="bold"), "left"
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in facts:
        if value:
            table.add_row(Text(name), Text(value))
    return table


def _placement(placement: "Placement") -> str:
    crs = placement.crs or "no CRS"
    if placement.transform is not None:
        return crs
    if placement.gcps:
        missed = placement.gcp_residual
        how_well = "" if missed is None else f", missed by {missed:.2g} pixels"
        return f"{placement.gcps} ground control points, {crs}{how_well}"
    return "rational polynomials only, which sarseg does not use" if placement.rpcs else "none"


def _metres(pixel_size: float | None) -> str:
    return "not known" if pixel_size is None else f"{pixel_size:.3g} m"


def _band(band: "BandReport") -> str:
    nodata = ", ".join(f"{value:g}" if value != "NaN" else "NaN" for value in band.nodata)
    facts = [
        f"auxiliary, in {band.unit}"
        if band.role == "auxiliary"
        else band.calibration or "calibration not known",
        band.dtype,
        f"nodata {nodata or 'not marked'}",
        f"{_share(band.valid)} valid",
    ]
    if found := band.statistics:
        facts += [f"{_share(found.negative)} negative"] if found.negative else []
        facts += [f"{_share(found.zero)} zero"] if found.zero else []
    if band.border_noise:
        facts.append(f"{_share(band.border_noise)} border noise, left out")
    return f"{', '.join(facts)}\n{band.source}, {band.format}"


def _share(part: float) -> str:
    """In percent; nothing and all only where it is so."""
    if 0 < part < 0.0005:
        return "< 0.1%"
    return "> 99.9%" if 0.9995 <= part < 1 else f"{part:.1%}"


def _statistics(title: str, bands: "Sequence[BandReport]", *, looks: bool) -> Table:
    table = _table(title, "band")
    names = ["min", "2 %", "median", "98 %", "max", "spread", "mean"]
    for name in [*names, *(["looks"] if looks else [])]:
        table.add_column(name, justify="right", no_wrap=True)
    for band in bands:
        found = band.statistics
        assert found is not None
        numbers = [found.minimum, found.low, found.median, found.high, found.maximum]
        row = [f"{number:.1f}" for number in (*numbers, found.spread, found.mean)]
        if looks:
            row.append("?" if band.looks is None else f"{band.looks:.3g}")
        table.add_row(Text(band.name), *row)
    return table


def _table(title: str, first: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"\n{title}", title_justify="left", show_edge=False)
    table.add_column(first, overflow="fold")
    return table


def _weights(report: "ModelReport") -> str:
    if report.card.holds_backbone:
        return "in the file: training began with random ones"
    wanted = f"SHA-256 {report.card.backbone_sha256[:12]}…"
    if report.backbone_weights is None:
        released = {release.sha256 for release in RELEASED.values()}
        if report.card.backbone_sha256 in released:
            return f"not here ({wanted}): sarseg weights download {report.card.backbone}"
        return f"not here ({wanted}): name them by --backbone-weights"
    if not report.backbone_fits:
        return (
            f"{report.backbone_weights} is here, but the model was trained on others ({wanted}): "
            "name them by --backbone-weights"
        )
    return f"here, {report.backbone_weights}"


def _inputs(inputs: "BandInputs") -> str:
    slots = [
        slot.name if slot.accepts == (slot.name,) else f"{slot.name} ({' or '.join(slot.accepts)})"
        for slot in inputs.slots
    ]
    return f"{', '.join(slots)}{'; one of them is enough' if inputs.optional else ''}"


def _preparation(card: "ModelCard") -> Iterator[str]:
    """What is done to a scene before the model sees it, step by step."""
    preparation = card.preparation
    yield from _filters(preparation)
    yield "decibels" if preparation.quantity == "db" else "amplitude"
    for slot, scaling in zip(card.inputs.slots, preparation.scaling, strict=True):
        unit = " dB" if preparation.quantity == "db" and not scaling.auxiliary else ""
        yield f"{slot.name}: minus {scaling.centre:.4g}{unit}, over {scaling.spread:.4g}{unit}"
    yield f"cut off at {preparation.clip:g} on both sides"


def _filters(filters: "Filters") -> Iterator[str]:
    if filters.despeckle is not None:
        settings = filters.despeckle.model_dump(exclude={"name"})
        yield f"{filters.despeckle.name} filter, {_flat(settings)}"
    if filters.frequency is not None:
        settings = filters.frequency.model_dump(exclude_none=True)
        yield f"frequency filter, {_flat(settings)} cycles per pixel"


def _training(card: "ModelCard") -> Iterator[str]:
    for name, value in card.training.items():
        yield f"{name}: {_flat(value)}"


def _metrics(card: "ModelCard") -> Iterator[str]:
    """Metrics of no single class."""
    of_classes = {_iou(entry) for entry in card.classes}
    for name, value in card.metrics.items():
        if name not in of_classes:
            yield f"{name} {value:.3f}"


def _classes(card: "ModelCard") -> Table:
    table = _table("classes", "class")
    table.add_column("id", justify="right")
    table.add_column("colour", no_wrap=True)
    table.add_column("IoU", justify="right")
    for entry in card.classes:
        metric = card.metrics.get(_iou(entry))
        shown = "" if metric is None else f"{metric:.3f}"
        colour = "#{:02x}{:02x}{:02x}".format(*entry.colour)
        table.add_row(_swatch(entry), str(entry.id), colour, shown)
    return table


def _iou(entry: "LandCoverClass") -> str:
    return f"IoU {entry.name}"


def _swatch(entry: "LandCoverClass") -> Text:
    """The class's name after its colour."""
    red, green, blue = entry.colour
    return Text.assemble(("■ ", f"rgb({red},{green},{blue})"), entry.name)


def _with_settings(name: str, settings: dict[str, Any]) -> str:
    return f"{name} ({_flat(settings)})" if settings else name


def _flat(value: Any) -> str:
    """A setting, or settings within settings, in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_flat(inner)}" for name, inner in value.items())
    return str(value)
