"""Opening the images of a Sentinel-1 product."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from rasterio.crs import CRS
from rasterio.io import DatasetReader

from sarseg.errors import InputError
from sarseg.scenes.band import Band, Meaning, RasterBand
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.missing import Missing
from sarseg.scenes.opening import open_raster
from sarseg.scenes.reading import Reading
from sarseg.scenes.sentinel1.annotation import Annotation
from sarseg.scenes.sentinel1.calibration import CalibratedBand
from sarseg.scenes.sentinel1.product import Image, Product


def open_product(
    product: Product, reading: Reading, closing: ExitStack, missing: Missing | None = None
) -> Sequence[tuple[str, Georeference, tuple[Band, ...]]]:
    """Name, georeference and calibrated band of the image of each polarisation, co-polarised ones
    first; ``closing`` closes them, and ``missing`` is told what of them cannot be read.

    Raises InputError where the product is incomplete, damaged, or of a kind that is not one image.
    """
    _refuse_divided(product)
    return [_opened(product, image, reading, closing, missing) for image in product.images()]


def _refuse_divided(product: Product) -> None:
    annotation = _annotation(product, product.annotations[0])
    mode, kind = annotation.mode, annotation.product_type
    if mode == "WV":
        raise InputError(
            f"{product.name} is of the wave mode: many small images far apart instead of a scene. "
            "Give a product of another mode, or a measurement/*.tiff of it by itself."
        )
    if kind == "SLC" and mode in ("IW", "EW"):
        raise InputError(
            f"{product.name} is a single-look complex product of mode {mode}, whose images are "
            "divided into sub-swaths and bursts: deburst and merge it first (in SNAP: TOPSAR "
            "Deburst, TOPSAR Merge), or take the GRD product of the same data."
        )


def _opened(
    product: Product,
    image: Image,
    reading: Reading,
    closing: ExitStack,
    missing: Missing | None,
) -> tuple[str, Georeference, tuple[Band, ...]]:
    storage = product.storage
    annotation = _annotation(product, image.annotation)
    gain = _annotation(product, image.calibration).calibration(reading.calibration)
    noise = _annotation(product, image.noise).noise()
    dataset = closing.enter_context(open_raster(storage.gdal_name(image.measurement)))
    band = CalibratedBand(
        RasterBand(dataset, 1, Meaning(image.polarisation), reading.nodata, missing),
        gain,
        None if annotation.noise_removed else noise,
        reading.calibration,
        storage.local_files([image.measurement, image.annotation, image.calibration, image.noise]),
    )
    name = f"{product.name} {image.polarisation}"
    return name, _georeference(dataset, annotation), (band,)


def _georeference(dataset: DatasetReader, annotation: Annotation) -> Georeference:
    """That of the image file, or of the annotation where the file has none."""
    own = Georeference.of(dataset)
    if own.gcps or own.transform is not None:
        return own
    points = annotation.control_points()
    return replace(own, gcps=points, gcp_crs=CRS.from_epsg(4326)) if points else own


def _annotation(product: Product, path: str) -> Annotation:
    return Annotation(product.storage.read(path), f"{product.name}/{path}")
