"""What the XML files of a Sentinel-1 product say.

Elements as in the Sentinel-1 Product Specification (S1-RS-MDA-52-7441).
"""

from collections.abc import Callable
from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

import numpy as np
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint

from sarseg.errors import InputError
from sarseg.scenes.sentinel1.lookup import AzimuthBlock, Noise, VectorTable
from sarseg.scenes.unit import Calibration

_TABLES: dict[Calibration, str] = {
    "sigma0": "sigmaNought",
    "beta0": "betaNought",
    "gamma0": "gamma",
}

_END = 2**31
"""Beyond every line and sample."""


class Annotation:
    """An XML file; ``place`` is its name for sentences.

    All methods raise InputError where the file lacks what is asked for, or holds no numbers there.
    """

    def __init__(self, content: bytes, place: str) -> None:
        self.place = place
        self._root = self._parsed(content)

    def _parsed(self, content: bytes) -> Element:
        parser = XMLParser(target=_WithoutDoctype(self._refuse_doctype))
        try:
            parser.feed(content)
            root: Element = parser.close()
        except (ParseError, LookupError, ValueError) as error:  # the latter two: odd encodings
            raise self._broken(f"is no whole XML file ({error})") from error
        return root

    def _refuse_doctype(self) -> NoReturn:
        raise InputError(
            f"{self.place} declares a document type, which annotations of Sentinel-1 do not: it is "
            "not read. Download the product from where it was published."
        )

    @property
    def mode(self) -> str:
        """``IW``, ``EW``, ``WV``, or the stripmap mode; empty where it is not told."""
        return self._root.findtext("adsHeader/mode", "").strip()

    @property
    def product_type(self) -> str:
        """``GRD`` or ``SLC``; empty where it is not told."""
        return self._root.findtext("adsHeader/productType", "").strip()

    @property
    def noise_removed(self) -> bool:
        """True where the processor has subtracted the noise already."""
        path = "imageAnnotation/processingInformation/thermalNoiseCorrectionPerformed"
        return self._root.findtext(path, "").strip().lower() == "true"

    def control_points(self) -> tuple[GroundControlPoint, ...]:
        """The geolocation grid: longitude, latitude (degrees, WGS 84) and height (m)."""
        points = self._root.iterfind(
            "geolocationGrid/geolocationGridPointList/geolocationGridPoint"
        )
        return tuple(
            GroundControlPoint(
                row=self._number(point, "line"),
                col=self._number(point, "pixel"),
                x=self._number(point, "longitude"),
                y=self._number(point, "latitude"),
                z=self._number(point, "height"),
            )
            for point in points
        )

    def calibration(self, kind: Calibration) -> VectorTable:
        """The gains A of a calibration file: DN² / A² is backscatter."""
        table = self._vectors("calibrationVectorList/calibrationVector", _TABLES[kind])
        if table is None:
            raise self._broken("holds no calibrationVector")
        if table.lowest <= 0:
            raise self._broken(
                f"has a {_TABLES[kind]} of {table.lowest:g}, where gains above 0 were expected"
            )
        return table

    def noise(self) -> Noise:
        """The noise of a noise file; of processors (IPF) before 2.90 it has no azimuth blocks."""
        along_range = self._vectors("noiseRangeVectorList/noiseRangeVector", "noiseRangeLut")
        along_range = along_range or self._vectors("noiseVectorList/noiseVector", "noiseLut")
        if along_range is None:
            raise self._broken("holds neither a noiseRangeVector nor a noiseVector")
        blocks = self._root.iterfind("noiseAzimuthVectorList/noiseAzimuthVector")
        return Noise(along_range, tuple(map(self._azimuth_block, blocks)))

    def _vectors(self, path: str, values: str) -> VectorTable | None:
        vectors = [
            (self._number(vector, "line"), *self._function(vector, "pixel", values))
            for vector in self._root.iterfind(path)
        ]
        return VectorTable(vectors) if vectors else None

    def _azimuth_block(self, vector: Element) -> AzimuthBlock:
        def limit(name: str, default: int) -> int:
            return default if vector.find(name) is None else int(self._number(vector, name))

        lines, factors = self._function(vector, "line", "noiseAzimuthLut")
        return AzimuthBlock(
            first_row=limit("firstAzimuthLine", 0),
            last_row=limit("lastAzimuthLine", _END),
            first_col=limit("firstRangeSample", 0),
            last_col=limit("lastRangeSample", _END),
            lines=lines,
            factors=factors,
        )

    def _function(
        self, vector: Element, positions: str, values: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions in rising order, and a value at each."""
        at, numbers = self._numbers(vector, positions), self._numbers(vector, values)
        if len(at) != len(numbers):
            raise self._broken(
                f"has {len(numbers)} numbers of {values} for {len(at)} of {positions} in a "
                f"{vector.tag}"
            )
        if (np.diff(at) < 0).any():
            raise self._broken(f"has numbers of {positions} that do not rise in a {vector.tag}")
        return at, numbers

    def _number(self, parent: Element, path: str) -> float:
        numbers = self._numbers(parent, path)
        if len(numbers) != 1:
            raise self._broken(f"has {len(numbers)} numbers, not one, in {parent.tag}/{path}")
        return float(numbers[0])

    def _numbers(self, parent: Element, path: str) -> NDArray[np.float64]:
        """One or more finite numbers."""
        text = self._text(parent, path)
        try:
            numbers = np.array(text.split(), np.float64)
        except ValueError as error:
            raise self._broken(f"holds more than numbers in {parent.tag}/{path}") from error
        if not np.isfinite(numbers).all():
            raise self._broken(f"holds numbers that are not finite in {parent.tag}/{path}")
        return numbers

    def _text(self, parent: Element, path: str) -> str:
        text = parent.findtext(path, "").strip()
        if not text:
            raise self._broken(f"has no {parent.tag}/{path}")
        return text

    def _broken(self, what: str) -> InputError:
        return InputError(
            f"{self.place} {what}: it seems to be incomplete or damaged. Copy or download the "
            "product again."
        )


class _WithoutDoctype(TreeBuilder):
    """Refuses document types, and with them entities, which may grow without bounds."""

    def __init__(self, refuse: Callable[[], NoReturn]) -> None:
        super().__init__()
        self._refuse = refuse

    def doctype(self, *declaration: str | None) -> None:
        self._refuse()
