"""A source of bands: a raster file, or one image of a product, opened."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from sarseg.scenes import sentinel1
from sarseg.scenes.archive import is_archive, rasters_in
from sarseg.scenes.band import Band, RasterBand
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.location import gdal_name, shown
from sarseg.scenes.missing import Missing
from sarseg.scenes.naming import meanings
from sarseg.scenes.opening import measured_bands, open_raster
from sarseg.scenes.reading import Reading


@dataclass(frozen=True)
class Source:
    """Bands of one grid; ``name`` is for sentences."""

    name: str
    georeference: Georeference
    bands: tuple[Band, ...]


def open_sources(
    path: str, reading: Reading, closing: ExitStack, missing: Missing | None = None
) -> Sequence[Source]:
    """What ``path``, as users spell it, holds; ``closing`` closes it.

    ``missing`` is told what cannot be read later; without it, that is an error.

    Raises InputError where it cannot be used.
    """
    if product := sentinel1.find(path):
        images = sentinel1.open_product(product, reading, closing, missing)
        return [Source(*image) for image in images]
    name = gdal_name(path)
    rasters = rasters_in(name) if is_archive(name) else [name]
    return [_open_source(raster, reading, closing, missing) for raster in rasters]


def _open_source(
    name: str, reading: Reading, closing: ExitStack, missing: Missing | None
) -> Source:
    dataset = closing.enter_context(open_raster(name))
    numbers = measured_bands(dataset)
    bands = tuple(
        RasterBand(dataset, number, meaning, reading.nodata, missing)
        for number, meaning in zip(numbers, meanings(dataset, numbers), strict=True)
    )
    return Source(shown(name), Georeference.of(dataset), bands)
