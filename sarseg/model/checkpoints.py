"""Meta's released SAM checkpoints: what they are, where they lie, whether a file is one of them.

Nothing here touches the network; ``sarseg.model.download`` does.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sarseg.cache import cache_folder
from sarseg.errors import InputError

RELEASE_URL = "https://dl.fbaipublicfiles.com/segment_anything"


@dataclass(frozen=True)
class Checkpoint:
    """One released file; ``sha256`` in hexadecimal, ``size`` in bytes."""

    backbone: str
    file_name: str
    sha256: str
    size: int

    @property
    def url(self) -> str:
        """Where its publisher keeps it."""
        return f"{RELEASE_URL}/{self.file_name}"


# The six digits in the names begin the files' MD5, not their SHA-256.
RELEASED = {
    checkpoint.backbone: checkpoint
    for checkpoint in (
        Checkpoint(
            "vit_b",
            "sam_vit_b_01ec64.pth",
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            375_042_383,
        ),
        Checkpoint(
            "vit_l",
            "sam_vit_l_0b3195.pth",
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            1_249_524_607,
        ),
        Checkpoint(
            "vit_h",
            "sam_vit_h_4b8939.pth",
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            2_564_550_879,
        ),
    )
}
"""Checkpoints by backbone."""


@dataclass(frozen=True)
class Verdict:
    """What a file turned out to be.

    ``checkpoint`` is the release that it is (``ok``) or was meant to be (``damaged``); None where
    neither its content, its name nor its size is that of a release (``unknown``).
    """

    path: Path
    state: Literal["ok", "damaged", "unknown"]
    checkpoint: Checkpoint | None
    size: int
    sha256: str


def weights_folder(cache: Path | None = None) -> Path:
    """Where downloaded weights lie: in ``cache``, or else in sarseg's cache folder."""
    return (cache or cache_folder()) / "weights"


def cached(backbone: str, folder: Path | None = None) -> Path | None:
    """The whole checkpoint of ``backbone`` in ``folder``, by default the cache; None without one.

    Told by name and size: the content is checked by ``verify``, which reads the file.
    """
    checkpoint = RELEASED.get(backbone)
    if checkpoint is None:
        return None
    path = (folder or weights_folder()) / checkpoint.file_name
    return path if path.is_file() and path.stat().st_size == checkpoint.size else None


def is_intact(path: Path, checkpoint: Checkpoint) -> bool:
    """Whether ``path`` holds exactly ``checkpoint``. Raises InputError where it is unreadable."""
    return (
        path.is_file()
        and path.stat().st_size == checkpoint.size
        and file_sha256(path) == checkpoint.sha256
    )


def verify(path: Path) -> Verdict:
    """Compare a file with the releases: the one whose name it has, else the one it resembles.

    Raises InputError where the file cannot be read.
    """
    sha256 = file_sha256(path)
    size = path.stat().st_size
    checkpoint = _meant(path.name, sha256, size)
    if checkpoint is None:
        return Verdict(path, "unknown", None, size, sha256)
    state: Literal["ok", "damaged"] = "ok" if sha256 == checkpoint.sha256 else "damaged"
    return Verdict(path, state, checkpoint, size, sha256)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises InputError where it is unreadable."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def _meant(name: str, sha256: str, size: int) -> Checkpoint | None:
    # The name first: vit_l's content under vit_b's name would be loaded as a vit_b.
    releases = RELEASED.values()
    of_name = [release for release in releases if release.file_name == name]
    of_content = [release for release in releases if release.sha256 == sha256]
    of_size = [release for release in releases if release.size == size]
    return next(iter(of_name + of_content + of_size), None)
