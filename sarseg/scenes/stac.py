"""STAC items: what catalogues of geodata want to know of a land-cover map.

SpatioTemporal Asset Catalog 1.1.0 (https://stacspec.org) with the extensions Projection,
Classification, File Info and Processing.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from hashlib import file_digest
from os.path import relpath
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pystac import Asset, Item, MediaType
from pystac.extensions.classification import Classification, ClassificationExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from rasterio.io import DatasetReader
from shapely.geometry import mapping

from sarseg.classes import NODATA, LandCoverClass
from sarseg.scenes.acquisition import Acquisition
from sarseg.scenes.footprint import footprint
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_crs
from sarseg.scenes.landcover import read_legend
from sarseg.scenes.opening import open_raster
from sarseg.scenes.output import check_output, replacing

_PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"

_SHA2_256 = "1220"
"""What a multihash of SHA-256 begins with: code and length (https://multiformats.io)."""

_TAG_PREFIX = "SARSEG_"


def check_placed(georeference: Georeference, name: str) -> None:
    """Raise InputError where a map of the scene ``name`` could not have an item, as it has no place
    on the ground."""
    footprint(georeference, name)


def write_item(path: Path, landcover: Path, acquisition: Acquisition, *, overwrite: bool) -> None:
    """Describe the finished map ``landcover`` in the STAC item ``path``, whole or not at all.

    All but the time is read from the map. Equal maps under equal names have equal items.

    Raises InputError where the map cannot be read or has no place on the ground, OutputError where
    the item cannot be written.
    """
    check_output(path, overwrite=overwrite, inputs=[landcover])
    with open_raster(str(landcover)) as dataset:
        item = _item(landcover, dataset, acquisition)
        asset = Asset(
            href=_reference(Path(relpath(landcover, path.parent))),
            media_type=MediaType.COG,
            roles=["data"],
            extra_fields=_bands(dataset),
        )
    item.add_asset("landcover", asset)
    FileExtension.ext(asset, add_if_missing=True).apply(
        checksum=_multihash(landcover), size=landcover.stat().st_size
    )
    item.stac_extensions += [ClassificationExtension.get_schema_uri(), _PROCESSING]
    content = item.to_dict(include_self_link=False, transform_hrefs=False)
    with replacing(path) as temporary:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2)
        temporary.write_text(f"{text}\n", encoding="utf-8")


def _item(landcover: Path, dataset: DatasetReader, acquisition: Acquisition) -> Item:
    georeference = Georeference.of(dataset)
    place = footprint(georeference, str(landcover))
    lasts = acquisition.end > acquisition.start
    item = Item(
        id=landcover.stem,
        geometry=mapping(place.geometry),
        bbox=list(place.bbox),
        datetime=acquisition.start,
        start_datetime=acquisition.start if lasts else None,
        end_datetime=acquisition.end if lasts else None,
        properties=_provenance(dataset.tags()),
    )
    projection = ProjectionExtension.ext(item, add_if_missing=True)
    shape = [georeference.height, georeference.width]
    crs = map_crs(georeference)
    if georeference.transform is None or crs is None:
        projection.apply(shape=shape)  # placed by control points: the pixels have no CRS
        return item
    authority = crs.to_authority(min_confidence=100)
    projection.apply(
        code=":".join(authority) if authority else None,
        wkt2=None if authority else crs.to_wkt(),
        shape=shape,
        transform=list(georeference.transform[:6]),
    )
    return item


def _provenance(tags: dict[str, str]) -> dict[str, Any]:
    """What made the map, by its tags: ``SARSEG_MODEL_SHA256`` is ``sarseg:model_sha256``."""
    own = {
        f"sarseg:{key.removeprefix(_TAG_PREFIX).lower()}": value
        for key, value in sorted(tags.items())
        if key.startswith(_TAG_PREFIX)
    }
    return {"processing:software": {"sarseg": own["sarseg:version"]}, **own}


def _bands(dataset: DatasetReader) -> dict[str, Any]:
    """The fields of an asset that tell of its bands, the first of which holds the classes."""
    bands: list[dict[str, Any]] = [{"name": name} for name in dataset.descriptions]
    bands[0]["classification:classes"] = _classes(read_legend(dataset))
    return {"data_type": dataset.dtypes[0], "nodata": NODATA, "bands": bands}


def _classes(legend: Sequence[LandCoverClass]) -> list[dict[str, Any]]:
    names = {"nodata"}
    classes = []
    for entry in legend:
        name = _identifier(entry.name)
        if not name or name in names:
            name = f"{name or 'class'}_{entry.id}"
        names.add(name)
        classes.append(
            Classification.create(
                value=entry.id,
                name=name,
                title=entry.name,
                color_hint="{:02X}{:02X}{:02X}".format(*entry.colour),
            )
        )
    classes.append(Classification.create(value=NODATA, name="nodata", nodata=True))
    return [each.to_dict() for each in classes]


def _identifier(name: str) -> str:
    """``name`` in the letters, digits, ``-`` and ``_`` that a class's name may have: ``foret``."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "_", letters).strip("_")


def _reference(path: Path) -> str:
    """A relative path as an IRI reference (RFC 3987), in which few characters have to be quoted."""
    return re.sub(
        r'[\x00-\x20"#%<>?\\^`{|}]', lambda found: quote(found[0]), f"./{path.as_posix()}"
    )


def _multihash(path: Path) -> str:
    """SHA-256 of a file as a multihash in hexadecimal digits."""
    with path.open("rb") as file:
        return _SHA2_256 + file_digest(file, "sha256").hexdigest()
