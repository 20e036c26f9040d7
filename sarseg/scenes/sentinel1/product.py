"""Sentinel-1 products in the SAFE format: which files hold which image.

Folders and file names as in the Sentinel-1 Product Specification (S1-RS-MDA-52-7441).
"""

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sarseg.errors import InputError
from sarseg.scenes.polarisation import polarisations_in
from sarseg.scenes.sentinel1.storage import Archive, Folder, Storage

_PRODUCT_NAME = re.compile(r"S1[A-Z]_", re.IGNORECASE)

# Folders of what an image is made of, and the names of the files in them. Names that begin with a
# dot are what macOS leaves on foreign disks.
_ROLES = {
    "measurement": re.compile(r"measurement/[^./][^/]*\.tiff?", re.IGNORECASE),
    "annotation": re.compile(r"annotation/[^./][^/]*\.xml", re.IGNORECASE),
    "calibration": re.compile(r"annotation/calibration/calibration-[^/]*\.xml", re.IGNORECASE),
    "noise": re.compile(r"annotation/calibration/noise-[^/]*\.xml", re.IGNORECASE),
}


@dataclass(frozen=True)
class Image:
    """The files of the image of one polarisation, by their paths within the product."""

    polarisation: str
    measurement: str
    annotation: str
    calibration: str
    noise: str


@dataclass(frozen=True)
class Product:
    """A product that was found, of which nothing has been read yet."""

    storage: Storage

    @property
    def name(self) -> str:
        """What the product is called, as in ``S1A_IW_GRDH_1SDV_....SAFE``."""
        return self.storage.name

    @property
    def annotations(self) -> Sequence[str]:
        """Paths of the annotations of all images.

        Raises InputError where there are none, as in products of other levels and missions.
        """
        found = self._of_role("annotation")
        if not found:
            raise InputError(
                f"{self.name} has no annotation/*.xml: it is incomplete, or no Sentinel-1 Level-1 "
                "product. Copy or download it again, or give a Sentinel-1 GRD product."
            )
        return found

    def images(self) -> tuple[Image, ...]:
        """The images, co-polarised ones first.

        Raises InputError where there is not one file of each kind for each polarisation.
        """
        files = {role: self._by_polarisation(role) for role in _ROLES}
        found = {polarisation for paths in files.values() for polarisation in paths}
        if not found:
            raise InputError(
                f"No file name of {self.name} tells a polarisation, as those of Sentinel-1 do "
                "(s1a-iw-grd-vv-....xml): give the product with its files as they were named."
            )
        return tuple(
            Image(
                polarisation,
                *(
                    self._only(role, polarisation, files[role].get(polarisation, []))
                    for role in _ROLES
                ),
            )
            for polarisation in sorted(found, key=_co_polarised_first)
        )

    def _of_role(self, role: str) -> list[str]:
        return [path for path in self.storage.paths if _ROLES[role].fullmatch(path)]

    def _by_polarisation(self, role: str) -> Mapping[str, list[str]]:
        paths: dict[str, list[str]] = {}
        for path in self._of_role(role):
            for polarisation in polarisations_in(PurePosixPath(path).name):
                paths.setdefault(polarisation, []).append(path)
        return paths

    def _only(self, role: str, polarisation: str, paths: Sequence[str]) -> str:
        if len(paths) == 1:
            return paths[0]
        if paths:
            raise InputError(
                f"{self.name} has {len(paths)} {role} files of {polarisation} "
                f"({', '.join(paths)}), where one was expected: keep the one that belongs to the "
                "product."
            )
        raise InputError(
            f"{self.name} has no {role} file of {polarisation}, though others of its files name "
            f"{polarisation}: the product is incomplete. Copy or download it again."
        )


def find(text: str) -> Product | None:
    """The SAFE product that ``text`` names: its folder, its ``manifest.safe``, or a zip archive
    that holds it. None where it names something else.

    Raises InputError where an archive holds several products, or has the name of a Sentinel-1
    product and cannot be opened.
    """
    path = Path(text)
    if path.name == "manifest.safe" and path.is_file():
        return Product(Folder(path.parent))
    if path.is_dir():
        safe = path.suffix.lower() == ".safe" or (path / "manifest.safe").is_file()
        return Product(Folder(path)) if safe else None
    if path.suffix.lower() == ".zip" and path.is_file():
        return _in_archive(path)
    return None


def _in_archive(path: Path) -> Product | None:
    try:
        with zipfile.ZipFile(path) as archive:
            # what macOS adds to archives of its own has folders of the same names
            members = tuple(n for n in archive.namelist() if not n.startswith("__MACOSX/"))
    except (OSError, zipfile.BadZipFile) as error:
        if _PRODUCT_NAME.match(path.name) is None:
            return None
        raise InputError(
            f"{path} is named like a Sentinel-1 product, but cannot be opened as a zip archive "
            f"({error}): copy or download it again."
        ) from error
    prefixes = {prefix for member in members if (prefix := _prefix(member)) is not None}
    if len(prefixes) > 1:
        names = ", ".join(sorted(prefix.rstrip("/") for prefix in prefixes))
        raise InputError(
            f"{path} holds several products ({names}): unpack it and give one of them."
        )
    return Product(Archive(path, prefixes.pop(), members)) if prefixes else None


def _prefix(member: str) -> str | None:
    """How the paths of the product begin that a member of an archive belongs to."""
    folder, _, name = member.rpartition("/")
    if name == "manifest.safe":
        return f"{folder}/" if folder else ""
    parts = folder.split("/")
    for depth, part in enumerate(parts, start=1):
        if part.lower().endswith(".safe"):
            return "/".join(parts[:depth]) + "/"
    return None


def _co_polarised_first(polarisation: str) -> tuple[bool, str]:
    return polarisation[0] != polarisation[1], polarisation
