"""When a scene was acquired: by the names of its files, or as the user says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sarseg.errors import UsageError
from sarseg.scenes.location import shown

_FIRST = datetime(1978, 1, 1, tzinfo=UTC)
"""Seasat, the first civil SAR in orbit, was launched in June 1978."""

_LONGEST_PASS = timedelta(hours=1)
"""Two times in a name that lie closer are start and end of one pass, as in names of Sentinel-1,
TerraSAR-X, COSMO-SkyMed, Capella and NISAR."""

_LAST_SECOND = timedelta(days=1) - timedelta(seconds=1)

_MOMENT = re.compile(
    r"(?<!\d)(\d{4})(?P<dash>[-_]?)(0[1-9]|1[0-2])(?P=dash)(0[1-9]|[12]\d|3[01])"
    r"(?:[T_-]?([01]\d|2[0-3])[-:_]?([0-5]\d)[-:_]?([0-5]\d)Z?)?(?![A-Z0-9])",
    re.IGNORECASE,
)
"""``20200101``, ``2020-01-01``, ``20200101T054321``, ``20080415_143807``, ``20200101054321``."""

_ALOS2_DATE = re.compile(r"(?<=ALOS2\d{9}-)(?=\d{6}(?!\d))")
"""Where the century is missing: ALOS-2 products write 150414 for 14 April 2015."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.IGNORECASE
)


@dataclass(frozen=True)
class Acquisition:
    """From when to when, UTC, a scene was acquired; of an instant, both are it."""

    start: datetime
    end: datetime


def acquisition_of(names: Sequence[str]) -> Acquisition | None:
    """When a scene of files of these ``names`` (paths, addresses or GDAL's names) was acquired.

    A name without a time is passed over, unless a folder, or a zip file, on its path bears the name
    of a product with start and end. A date alone means the whole day; several files, and several
    dates in a name, mean all from the first to the last. None where no name tells.
    """
    known = [found for name in names if (found := _of_file(name)) is not None]
    return _span(known) if known else None


def parse_acquisition(text: str) -> Acquisition:
    """An instant ``2020-01-01T05:43:21Z``, a day ``2020-01-01``, or a start and an end, each of
    them one of these, with ``/`` between them.

    Times are those of RFC 3339, so with ``Z`` or an offset. A day is that of UTC, from its first to
    its last second, as STAC describes by start and end what has no single instant. Raises
    UsageError for anything else.
    """
    first, slash, last = text.partition("/")
    try:
        begin = _given(first)
        end = _given(last) if slash else begin
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"'{text}' is no time of acquisition: give a day, as in --datetime 2020-01-01, an "
            "instant with its offset from UTC, as in --datetime 2020-01-01T05:43:21Z, or start and "
            "end, as in --datetime 2020-01-01/2020-01-13 or --datetime "
            "2020-01-01T05:43:21Z/2020-01-01T05:43:46Z."
        ) from error
    if end.end < begin.start:
        raise UsageError(f"--datetime '{text}' ends before it starts; give the start first.")
    return Acquisition(begin.start, end.end)


def _given(text: str) -> Acquisition:
    if _DATE.fullmatch(text):
        return _day(datetime.fromisoformat(text).replace(tzinfo=UTC))
    if not _RFC3339.fullmatch(text):
        raise ValueError(text)
    instant = datetime.fromisoformat(text.upper()).astimezone(UTC)
    return Acquisition(instant, instant)


def _day(midnight: datetime) -> Acquisition:
    return Acquisition(midnight, midnight + _LAST_SECOND)


def _of_file(name: str) -> Acquisition | None:
    """By the name of a file, else by the innermost folder that bears a product's name."""
    *folders, own = shown(name).split("/")
    moments = _moments(own)
    if moments:
        # the second time in OPERA's names is that of the processing
        only_first = own.upper().startswith("OPERA_")
        return moments[0] if only_first else _pass(moments) or _span(moments)
    passes = (_pass(_moments(folder)) for folder in reversed(folders))
    return next((found for found in passes if found is not None), None)


def _pass(moments: Sequence[Acquisition]) -> Acquisition | None:
    """From start to end of a pass, where the first two of ``moments`` are these."""
    if len(moments) < 2:
        return None
    first, second = moments[:2]
    instants = first.start == first.end and second.start == second.end
    if instants and timedelta() <= second.start - first.start <= _LONGEST_PASS:
        return Acquisition(first.start, second.end)
    return None


def _span(parts: Sequence[Acquisition]) -> Acquisition:
    return Acquisition(min(part.start for part in parts), max(part.end for part in parts))


def _moments(name: str) -> list[Acquisition]:
    """The dates and times in ``name`` at which there were satellites with a SAR, in its order."""
    found = (_moment(match) for match in _MOMENT.finditer(_ALOS2_DATE.sub("20", name)))
    now = datetime.now(UTC)
    return [each for each in found if each is not None and _FIRST <= each.start <= now]


def _moment(match: re.Match[str]) -> Acquisition | None:
    year, _, month, day, *time = match.groups()
    try:
        date = datetime(int(year), int(month), int(day), tzinfo=UTC)
    except ValueError:  # 31 February
        return None
    if None in time:
        return _day(date)
    hour, minute, second = map(int, time)
    instant = date.replace(hour=hour, minute=minute, second=second)
    return Acquisition(instant, instant)
