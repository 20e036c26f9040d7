"""Where rasters lie: paths and addresses as users spell them, and as GDAL does."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sarseg.errors import InputError

_VIRTUAL = {
    "http": "/vsicurl/http://",
    "https": "/vsicurl/https://",
    "ftp": "/vsicurl/ftp://",
    "s3": "/vsis3/",
    "gs": "/vsigs/",
    "az": "/vsiaz/",
}
"""GDAL's virtual file systems of the schemes of addresses."""

_REMOTE = ("/vsicurl/", "/vsis3/", "/vsigs/", "/vsiaz/", "/vsiadls/", "/vsioss/", "/vsiswift/")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_ZIP = re.compile(r"(.*?\.zip(?:\?[^!]*)?)!/?(.+)", re.IGNORECASE)
_VSIZIP = re.compile(r"/vsizip/(?:\{(?P<braced>.*)\}|(?P<plain>.*?\.zip))(?P<inner>/.*)?", re.I)


def gdal_name(text: str) -> str:
    """What GDAL calls the file that ``text`` names.

    ``text`` is a path, an address (``https://``, ``s3://``, ``gs://``, ``az://``, ``file://``), a
    raster inside a zip file (``x.zip!/inner.tif``, ``zip://x.zip!/inner.tif``, also at an address)
    or already a name of GDAL's virtual file systems (``/vsi...``), which stays as it is.

    Raises InputError for any other scheme.
    """
    text = re.sub(r"^zip(\+(?=[a-z0-9]+://)|://)", "", text)
    if text.startswith("/vsi"):
        return text
    if inner := _ZIP.fullmatch(text):
        return in_zip(gdal_name(inner[1]), inner[2])
    found = _SCHEME.match(text)
    if found is None:
        return text
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme == "file":
        return unquote(urlsplit(text).path)
    if scheme not in _VIRTUAL:
        known = ", ".join(f"{each}://" for each in ("file", *_VIRTUAL, "zip"))
        raise InputError(f"{text} begins with {scheme}://, which is none of {known}.")
    return _VIRTUAL[scheme] + rest


def in_zip(archive: str, inner: str) -> str:
    """GDAL's name of the file ``inner`` in the zip file that GDAL calls ``archive``."""
    return f"/vsizip/{{{archive}}}/{inner}"


def is_zip(name: str) -> bool:
    """True where GDAL's ``name`` is that of a zip file, and of no file in it."""
    return not name.startswith("/vsizip/") and file_name(name).lower().endswith(".zip")


def is_remote(name: str) -> bool:
    """True where GDAL's ``name`` is one of a server's."""
    inside = _VSIZIP.fullmatch(name)
    return is_remote(_archive(inside)) if inside else name.startswith(_REMOTE)


def local_file(text: str) -> Path | None:
    """The file on this machine that ``text``, an address or GDAL's name, is read from: of a file
    in a zip file the zip file. None where it lies elsewhere."""
    name = gdal_name(text)
    if inside := _VSIZIP.fullmatch(name):
        return local_file(_archive(inside))
    return None if name.startswith("/vsi") else Path(name)


def file_name(text: str) -> str:
    """The last part of the path in an address or GDAL's name: no folder and no query."""
    name = gdal_name(text)
    inside = _VSIZIP.fullmatch(name)
    if inside and inside["inner"]:
        return Path(inside["inner"]).name
    path = _archive(inside) if inside else name
    return Path(path.split("?")[0] if is_remote(path) else path).name


def stem(text: str) -> str:
    """What outputs are called after that are made of the file, or the product, ``text``."""
    name = file_name(text)
    if name == "manifest.safe":  # all products' are called so; the folder bears the name
        name = Path(gdal_name(text)).parent.name
    return Path(name).stem


def shown(text: str) -> str:
    """``text``, an address or GDAL's name, for people and records: as users spell it, and without
    passwords and the query that signs an address."""
    name = gdal_name(text)
    if inside := _VSIZIP.fullmatch(name):
        inner = f"!{inside['inner']}" if inside["inner"] else ""
        return shown(_archive(inside)) + inner
    for scheme, virtual in _VIRTUAL.items():
        if name.startswith(virtual):
            address = f"{scheme}://{name.removeprefix(virtual)}"
            return re.sub(r"(?<=://)[^/?@]*@", "", address).split("?")[0]
    return name


def _archive(inside: re.Match[str]) -> str:
    return inside["braced"] or inside["plain"]
