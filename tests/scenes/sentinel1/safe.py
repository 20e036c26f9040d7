"""Sentinel-1 products built as ESA's Product Specification (S1-RS-MDA-52-7441) lays them out."""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint

from tests.georeferences import bent
from tests.rasters import write_raster

HEIGHT, WIDTH = 80, 120
GRD = "S1A_IW_GRDH_1SDV_20210614T172503_20210614T172528_038339_048650_4A2B.SAFE"
_TIMES = "20210614t172503-20210614t172528-038339-048650"


class Vector(NamedTuple):
    """Values of a table at the pixels of a line."""

    line: int
    pixels: Sequence[int]
    values: Sequence[float]


class Block(NamedTuple):
    """Factors of the noise in a part of a swath, ends included."""

    swath: str
    first_line: int
    first_sample: int
    last_line: int
    last_sample: int
    lines: Sequence[int]
    factors: Sequence[float]


# The first line lies above the image, the last one below it, or above its last lines; every line
# has pixels of its own, the last of which is not always the image's.
SIGMA = (
    Vector(-21, (0, 40, 80, 119), (310.0, 330.5, 325.0, 300.0)),
    Vector(6, (0, 25, 90, 119), (312.0, 329.0, 320.0, 301.5)),
    Vector(33, (0, 40, 80, 110), (315.0, 331.0, 326.0, 303.0)),
    Vector(97, (0, 119), (318.0, 305.0)),
)
BETA = tuple(Vector(v.line, v.pixels, [237.0] * len(v.pixels)) for v in SIGMA)
GAMMA = tuple(Vector(v.line, v.pixels, [0.9 * value for value in v.values]) for v in SIGMA)
NOISE = (
    Vector(-3, (0, 50, 119), (900.0, 640.0, 810.0)),
    Vector(20, (0, 30, 60, 119), (910.0, 700.0, 650.0, 805.0)),
    Vector(61, (4, 119), (905.0, 800.0)),
)
BLOCKS = (
    Block("IW1", 0, 0, 79, 39, (0, 10, 50, 79), (1.0, 1.25, 0.9, 1.1)),
    Block("IW2", 0, 40, 29, 79, (0, 29), (0.8, 1.0)),
    Block("IW2", 30, 40, 79, 79, (30, 45, 70), (1.3, 0.95, 1.2)),
    Block("IW3", 5, 80, 69, 119, (5,), (1.05,)),
)


@dataclass
class Safe:
    """A product to be written; what is not given is that of an IW GRD product of VV and VH."""

    images: Mapping[str, NDArray[Any]]
    name: str = GRD
    mode: str = "IW"
    kind: str = "GRD"
    swath: str = "iw"
    tables: Mapping[str, Sequence[Vector]] = field(
        default_factory=lambda: {"sigmaNought": SIGMA, "betaNought": BETA, "gamma": GAMMA}
    )
    noise: Sequence[Vector] = NOISE
    blocks: Sequence[Block] | None = BLOCKS
    """None writes the noise as processors before 2.90 did."""
    noise_removed: bool = False
    gcps_in_image: bool = True

    def write(self, folder: Path) -> Path:
        """The product, unpacked in ``folder``."""
        root = folder / self.name
        for inner in ("measurement", "annotation/calibration", "preview", "support"):
            (root / inner).mkdir(parents=True)
        (root / "support" / "s1-level-1-product.xsd").write_text("<xsd/>")
        stems = {}
        for number, (polarisation, values) in enumerate(self.images.items(), start=1):
            stem = self._stem(polarisation, number)
            stems[polarisation] = stem
            height, width = values.shape
            points = {"gcps": gcps(height, width), "crs": "EPSG:4326"}
            write_raster(
                root / "measurement" / f"{stem}.tiff",
                values,
                **points if self.gcps_in_image else {},
            )
            annotations = root / "annotation"
            (annotations / f"{stem}.xml").write_text(self._annotation(polarisation, values))
            calibration = annotations / "calibration"
            (calibration / f"calibration-{stem}.xml").write_text(self._calibration(polarisation))
            (calibration / f"noise-{stem}.xml").write_text(self._noise(polarisation))
        (root / "manifest.safe").write_text(self._manifest(stems.values()))
        return root

    def _stem(self, polarisation: str, number: int) -> str:
        names = f"{self.swath}-{self.kind}-{polarisation}".lower()
        return f"s1a-{names}-{_TIMES}-{number:03}"

    def _header(self, polarisation: str) -> str:
        return (
            f"<adsHeader><missionId>S1A</missionId><productType>{self.kind}</productType>"
            f"<polarisation>{polarisation}</polarisation><mode>{self.mode}</mode>"
            f"<swath>{self.swath.upper()}</swath><startTime>2021-06-14T17:25:03.651209</startTime>"
            "<stopTime>2021-06-14T17:25:28.649836</stopTime>"
            "<absoluteOrbitNumber>38339</absoluteOrbitNumber>"
            "<missionDataTakeId>296528</missionDataTakeId><imageNumber>001</imageNumber>"
            "</adsHeader>"
        )

    def _annotation(self, polarisation: str, values: NDArray[Any]) -> str:
        height, width = values.shape
        points = "".join(
            "<geolocationGridPoint><azimuthTime>2021-06-14T17:25:03.651209</azimuthTime>"
            f"<slantRangeTime>5.33e-03</slantRangeTime><line>{point.row:.0f}</line>"
            f"<pixel>{point.col:.0f}</pixel><latitude>{point.y!r}</latitude>"
            f"<longitude>{point.x!r}</longitude><height>{point.z!r}</height>"
            "<incidenceAngle>3.9e+01</incidenceAngle><elevationAngle>3.4e+01</elevationAngle>"
            "</geolocationGridPoint>"
            for point in gcps(height, width)
        )
        return _document(
            "product",
            f"{self._header(polarisation)}<imageAnnotation><imageInformation>"
            f"<numberOfSamples>{width}</numberOfSamples><numberOfLines>{height}</numberOfLines>"
            "</imageInformation><processingInformation><thermalNoiseCorrectionPerformed>"
            f"{str(self.noise_removed).lower()}</thermalNoiseCorrectionPerformed>"
            "</processingInformation></imageAnnotation><geolocationGrid>"
            f"<geolocationGridPointList>{points}</geolocationGridPointList></geolocationGrid>",
        )

    def _calibration(self, polarisation: str) -> str:
        vectors = "".join(
            "<calibrationVector><azimuthTime>2021-06-14T17:25:03.651209</azimuthTime>"
            f"<line>{rows[0].line}</line>{_list('pixel', rows[0].pixels)}"
            + "".join(_list(name, row.values) for name, row in zip(self.tables, rows, strict=True))
            + "</calibrationVector>"
            for rows in zip(*self.tables.values(), strict=True)
        )
        return _document(
            "calibration",
            f"{self._header(polarisation)}<calibrationInformation>"
            "<absoluteCalibrationConstant>1.0</absoluteCalibrationConstant>"
            f"</calibrationInformation><calibrationVectorList>{vectors}</calibrationVectorList>",
        )

    def _noise(self, polarisation: str) -> str:
        kind, lut = (
            ("noise", "noiseLut") if self.blocks is None else ("noiseRange", "noiseRangeLut")
        )
        vectors = "".join(
            f"<{kind}Vector><azimuthTime>2021-06-14T17:25:03.651209</azimuthTime>"
            f"<line>{row.line}</line>{_list('pixel', row.pixels)}{_list(lut, row.values)}"
            f"</{kind}Vector>"
            for row in self.noise
        )
        content = f"{self._header(polarisation)}<{kind}VectorList>{vectors}</{kind}VectorList>"
        if self.blocks is not None:
            blocks = "".join(
                f"<noiseAzimuthVector><swath>{block.swath}</swath>"
                f"<firstAzimuthLine>{block.first_line}</firstAzimuthLine>"
                f"<firstRangeSample>{block.first_sample}</firstRangeSample>"
                f"<lastAzimuthLine>{block.last_line}</lastAzimuthLine>"
                f"<lastRangeSample>{block.last_sample}</lastRangeSample>"
                f"{_list('line', block.lines)}{_list('noiseAzimuthLut', block.factors)}"
                "</noiseAzimuthVector>"
                for block in self.blocks
            )
            content += f"<noiseAzimuthVectorList>{blocks}</noiseAzimuthVectorList>"
        return _document("noise", content)

    def _manifest(self, stems: Iterable[str]) -> str:
        objects = "".join(
            f'<dataObject ID="{stem.replace("-", "")}" repID="s1Level1MeasurementSchema">'
            '<byteStream mimeType="application/octet-stream"><fileLocation locatorType="URL" '
            f'href="./measurement/{stem}.tiff"/></byteStream></dataObject>'
            for stem in stems
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1">'
            f"<dataObjectSection>{objects}</dataObjectSection></xfdu:XFDU>"
        )


def counts(*, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint16]:
    """DN of single-look speckle, most of it well above the noise, some of it 0."""
    power = np.random.default_rng(seed).exponential(4000.0, (height, width))
    dn = np.sqrt(power).astype(np.uint16)
    dn[0], dn[-1], dn[:, 0], dn[:, -1] = 30, 30, 30, 30  # the zeros are inside
    dn[10:13, 20:23] = 0
    return dn


def gcps(height: int, width: int) -> list[GroundControlPoint]:
    """The geolocation grid."""
    cols, rows = np.meshgrid(np.linspace(0, width - 1, 8), np.linspace(0, height - 1, 5))
    cols, rows = cols.round().ravel(), rows.round().ravel()
    return [
        GroundControlPoint(row=row, col=col, x=x, y=y, z=12.5)
        for col, row, (x, y) in zip(cols, rows, bent(cols, rows).tolist(), strict=True)
    ]


def zipped(
    root: Path, file: Path, *, inside: str | None = None, compression: int = zipfile.ZIP_DEFLATED
) -> Path:
    """A product, written to a zip archive below the folder ``inside``."""
    prefix = root.name if inside is None else inside
    with zipfile.ZipFile(file, "w", compression) as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, Path(prefix) / path.relative_to(root))
    return file


def _document(root: str, content: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{content}</{root}>\n'


def _list(name: str, numbers: Sequence[float]) -> str:
    return f'<{name} count="{len(numbers)}">{" ".join(map(repr, numbers))}</{name}>'
