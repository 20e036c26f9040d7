"""A picture of a map with title, legend and scale bar."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sarseg.pages.templates import hectares, number, percent
from sarseg.report.backdrop import Backdrop
from sarseg.report.colours import class_image, grey_image
from sarseg.report.scale_bar import scale_bar
from sarseg.report.survey import ClassShare, MapSurvey
from sarseg.scenes.output import replacing
from sarseg.wording import counted

_LONGEST, _SHORTEST = 1600, 800
"""Pixels of the longer side of the map on the picture."""

_OVER_SCENE = 0.65
"""How opaque the map is over the scene."""

_MARGIN, _LINE, _SWATCH = 28, 46, 26
_LEGEND_WIDTH = 380
_BAR_ROOM = 240
"""Pixels across that bar and label have at least; maps may be narrower."""
_PAPER, _INK, _SOFT, _EMPTY = (255, 255, 255), (29, 39, 51), (93, 107, 122), (238, 238, 238)
_TITLE_SIZE, _TEXT_SIZE, _SMALL_SIZE = 34, 20, 16

_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf")
"""What Linux, macOS and Windows have, and more letters than Pillow's own."""

_MOST_CLASSES = 24
"""In the legend; of more the smallest are counted."""

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def write_quicklook(path: Path, survey: MapSurvey, scene: Backdrop | None, title: str) -> None:
    """Write ``quicklook`` as a PNG, whole or not at all. Raises OutputError."""
    with replacing(path) as temporary:
        quicklook(survey, scene, title).save(temporary, "PNG", optimize=True)


def quicklook(survey: MapSurvey, scene: Backdrop | None, title: str) -> Image.Image:
    """The map, over the scene where there is one, its longer side 800 to 1600 pixels; a legend with
    areas, shares and mean confidence; a scale bar that is true at the map's centre."""
    shown = _map(survey, scene)
    # of the longer side, since one pixel is the least of the other
    scale = max(shown.size) / max(survey.ids.shape)
    column = max(shown.width, _BAR_ROOM)
    text, small = _font(_TEXT_SIZE), _font(_SMALL_SIZE)
    legend = _legend(survey, text, small)
    top = _MARGIN + _TITLE_SIZE + _MARGIN
    height = top + max(shown.height + _MARGIN + 2 * _SMALL_SIZE, legend.height) + _MARGIN
    sheet = Image.new("RGB", (3 * _MARGIN + column + legend.width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    heading = _font(_TITLE_SIZE)
    wide = sheet.width - 2 * _MARGIN
    draw.text((_MARGIN, _MARGIN), _fitting(title, heading, wide), _INK, heading)
    sheet.paste(shown, (_MARGIN, top))
    draw.rectangle(
        (_MARGIN - 1, top - 1, _MARGIN + shown.width, top + shown.height), outline=(200, 206, 212)
    )
    sheet.paste(legend, (2 * _MARGIN + column, top))
    pixel = survey.step / scale * (survey.pixel_width or 1.0)
    bar = scale_bar(column / 3, pixel, in_metres=survey.pixel_width is not None)
    _draw_bar(draw, (_MARGIN, top + shown.height + 14), bar.pixels, bar.label, small)
    return sheet


def _map(survey: MapSurvey, scene: Backdrop | None) -> Image.Image:
    """The reduced map in its colours, blended with the scene, at the size that is drawn."""
    classes = class_image(survey).convert("RGBA")
    below = Image.new("RGBA", classes.size, _EMPTY)
    if scene is not None:
        below.alpha_composite(grey_image(scene.shades, scene.known).convert("RGBA"))
        alpha = np.asarray(classes)[..., 3] * _OVER_SCENE
        classes.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    below.alpha_composite(classes)
    longest = max(below.size)
    if longest < _SHORTEST:
        times = -(-_SHORTEST // longest)
        larger = below.resize((below.width * times, below.height * times), Image.Resampling.NEAREST)
        return larger.convert("RGB")
    below = below.convert("RGB")
    below.thumbnail((_LONGEST, _LONGEST), Image.Resampling.BOX)
    return below


def _legend(survey: MapSurvey, text: _Font, small: _Font) -> Image.Image:
    """Classes from the largest on, and how sure the model is of all."""
    totals = sorted(survey.totals, key=lambda total: -total.share)
    notes = _notes(survey)
    if more := totals[_MOST_CLASSES:]:
        share = percent(sum(total.share for total in more))
        notes = [f"and {counted(len(more), 'smaller class', 'smaller classes')}: {share}", *notes]
    totals = totals[:_MOST_CLASSES]
    height = len(totals) * (_LINE + 8) + len(notes) * (_SMALL_SIZE + 8) + _MARGIN
    sheet = Image.new("RGB", (_LEGEND_WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    left, y = _SWATCH + 12, 0
    for total in totals:
        draw.rectangle(
            (0, y + 4, _SWATCH, y + 4 + _SWATCH), total.entry.colour, outline=(120, 130, 140)
        )
        draw.text((left, y), _fitting(total.entry.name, text, sheet.width - left), _INK, text)
        draw.text((left, y + _TEXT_SIZE + 6), _figures(total), _SOFT, small)
        y += _LINE + 8
    y += _MARGIN // 2
    for note in notes:
        draw.text((0, y), _fitting(note, small, sheet.width), _SOFT, small)
        y += _SMALL_SIZE + 8
    return sheet


def _figures(total: ClassShare) -> str:
    """What is told of a class."""
    size = (
        f"{number(total.pixels)} px" if total.area_ha is None else f"{hectares(total.area_ha)} ha"
    )
    told = [size, percent(total.share)]
    if total.confidence is not None:
        told.append(f"confidence {100 * total.confidence:.0f} %")
    # not all fonts have a narrow space
    return " · ".join(told).replace("\N{NARROW NO-BREAK SPACE}", " ")


def _notes(survey: MapSurvey) -> Sequence[str]:
    notes = []
    if survey.mean_confidence is not None:
        notes.append(f"Mean confidence {percent(survey.mean_confidence)}")
    if version := survey.tags.get("SARSEG_VERSION"):
        notes.append(f"Made by sarseg {version}")
    if model := survey.tags.get("SARSEG_MODEL_SHA256"):
        notes.append(f"Model {model[:12]}…")
    return notes


def _font(size: int) -> _Font:
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _fitting(text: str, font: _Font, width: float) -> str:
    """``text`` in one line, its end left out where it is wider than ``width``."""
    line = " ".join(text.split())
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(f"{line}…") > width:
        line = line[:-1]
    return f"{line}…"


def _draw_bar(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], length: float, label: str, font: _Font
) -> None:
    x, y = corner
    end = x + round(length) - 1  # the last pixel of it
    draw.rectangle((x, y, end, y + 5), _INK)
    draw.rectangle((x, y - 4, x + 1, y + 9), _INK)
    draw.rectangle((end - 1, y - 4, end, y + 9), _INK)
    draw.text((end + 12, y - 8), label, _INK, font)
