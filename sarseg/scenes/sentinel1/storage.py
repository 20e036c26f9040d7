"""Where the files of a product lie: in a folder, or in a zip archive that stays as it is."""

import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sarseg.errors import InputError


class Storage(ABC):
    """The files of one product, by their paths within it, as in ``measurement/x.tiff``."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the product is called."""

    @property
    @abstractmethod
    def paths(self) -> Sequence[str]:
        """All files, in order of their paths."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """The content of a file. Raises InputError where it cannot be read."""

    @abstractmethod
    def gdal_name(self, path: str) -> str:
        """What GDAL calls a file."""

    @abstractmethod
    def local_files(self, paths: Sequence[str]) -> tuple[str, ...]:
        """The files on disk that hold ``paths``."""


@dataclass(frozen=True)
class Folder(Storage):
    """A product as it is unpacked."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.resolve().name

    @property
    def paths(self) -> Sequence[str]:
        found = (path for path in self.root.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def read(self, path: str) -> bytes:
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise InputError(f"{self.root / path} cannot be read: {error.strerror}.") from error

    def gdal_name(self, path: str) -> str:
        return str(self.root / path)

    def local_files(self, paths: Sequence[str]) -> tuple[str, ...]:
        return tuple(str(self.root / path) for path in paths)


@dataclass(frozen=True)
class Archive(Storage):
    """A product that lies in the zip archive ``file``, its paths all beginning with ``prefix``."""

    file: Path
    prefix: str
    members: tuple[str, ...]

    @property
    def name(self) -> str:
        return Path(self.prefix).name or self.file.stem

    @property
    def paths(self) -> Sequence[str]:
        inside = (name for name in self.members if name.startswith(self.prefix))
        return sorted(name.removeprefix(self.prefix) for name in inside)

    def read(self, path: str) -> bytes:
        try:
            with zipfile.ZipFile(self.file) as archive:
                return archive.read(self.prefix + path)
        # what zipfile raises for damaged, encrypted and oddly packed members
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f"{self.prefix}{path} in {self.file} cannot be unpacked ({error}): the archive "
                "seems to be incomplete or damaged. Copy or download it again."
            ) from error

    def gdal_name(self, path: str) -> str:
        return f"/vsizip/{self.file}/{self.prefix}{path}"

    def local_files(self, paths: Sequence[str]) -> tuple[str, ...]:
        return (str(self.file),)
