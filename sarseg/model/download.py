"""Fetches a released checkpoint over http, https or from a file: resumes, retries and checks.

What has arrived lies in ``<file name>.part`` beside the target, and takes the target's name only
once its SHA-256 is right.
"""

import hashlib
import os
import re
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException, InvalidURL
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from sarseg import __version__
from sarseg.errors import InputError, OutputError, UsageError
from sarseg.model.checkpoints import RELEASE_URL, Checkpoint, is_intact

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

URL_VARIABLE = "SARSEG_WEIGHTS_URL"
"""Environment variable: URL of a folder that holds the released files, in Meta's place."""

RETRY_SECONDS = (1.0, 2.0, 4.0)
"""Waits before further attempts; they begin anew with every ``PROGRESS_BYTES`` that arrive."""

PROGRESS_BYTES = 1 << 20
"""What has to arrive, beyond all before, for attempts to be worth it."""

TIMEOUT_SECONDS = 30.0
"""How long a server may be silent."""

_REPORT_SECONDS = 0.25
_CHUNK_BYTES = 1 << 18
_SCHEMES = ("http", "https", "file")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")

# Errors that the same request would meet again.
_LASTING = (ssl.SSLError, InvalidURL, FileNotFoundError, IsADirectoryError, PermissionError)


def download(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    url: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """The path of ``checkpoint`` in ``folder``, fetched where it does not lie there intact.

    ``url`` is the file's, or ends in a slash and is that of a folder that holds it; by default
    that of the folder in ``SARSEG_WEIGHTS_URL``, or else Meta's. Proxies are taken from the
    environment. ``progress`` gets bytes done and bytes in all, at most a few times a second.

    What an earlier download left is continued. A network failure, a full disk and Ctrl-C leave
    what has arrived for the next one.

    Raises UsageError where ``url`` is none of http, https or file; InputError where the file
    cannot be fetched or is another one; OutputError where it cannot be written, or another
    process is downloading it.
    """
    source = _source(checkpoint, url)
    target = folder / checkpoint.file_name
    if is_intact(target, checkpoint):
        return target
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(target):
        if not is_intact(target, checkpoint):  # unless the process that had the lock has done it
            _fetch_to(target, source, checkpoint, progress or _ignore)
    return target


def part_file(checkpoint: Checkpoint, folder: Path) -> Path:
    """Where ``download`` keeps what has arrived until it is whole."""
    return folder / f"{checkpoint.file_name}.part"


def _ignore(done: int, total: int) -> None:
    pass


def _source(checkpoint: Checkpoint, url: str | None) -> str:
    if url is None:
        folder = os.environ.get(URL_VARIABLE) or RELEASE_URL
        url = f"{folder.rstrip('/')}/"
    if url.endswith("/"):
        url += checkpoint.file_name
    if url.partition(":")[0].lower() not in _SCHEMES:
        raise UsageError(
            f"{url!r} is no URL that weights are downloaded from; give one that begins with "
            "https://, http:// or file:///."
        )
    # Blanks and letters beyond ASCII are common in the names of folders, but no part of a URL.
    return quote(url, safe="%:/?#[]@!$&'()*+,;=")


def _fetch_to(
    target: Path, source: str, checkpoint: Checkpoint, progress: Callable[[int, int], None]
) -> None:
    path = part_file(checkpoint, target.parent)
    with closing(_PartFile(path)) as part:
        if part.size >= checkpoint.size and part.sha256 != checkpoint.sha256:
            part.restart()
        _complete(part, source, checkpoint, progress)
        found = part.sha256
        part.sync()
    with _writing(target):
        if found != checkpoint.sha256:
            path.unlink()
            raise InputError(
                f"What {source} sent is not {checkpoint.file_name}: its SHA-256 is {found}, "
                f"expected {checkpoint.sha256}. It was deleted. Try again, or from elsewhere: "
                f"{checkpoint.url} is where Meta keeps it."
            )
        path.replace(target)


class _PartFile:
    """The beginning of a file, on disk, and its SHA-256. Close it; an empty one then vanishes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _writing(path):
            # Unbuffered: what was written is there after a kill, and closing cannot fail.
            self._stream = path.open("a+b", buffering=0)
            self._stream.seek(0)
            self._digest = hashlib.sha256()
            self.size = 0
            while data := self._stream.read(_CHUNK_BYTES):
                self._digest.update(data)
                self.size += len(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def append(self, data: bytes) -> None:
        rest = data
        with _writing(self.path):
            while rest:
                rest = rest[self._stream.write(rest) :]
        self._digest.update(data)
        self.size += len(data)

    def restart(self) -> None:
        with _writing(self.path):
            self._stream.truncate(0)
        self._digest = hashlib.sha256()
        self.size = 0

    def sync(self) -> None:
        with _writing(self.path):
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        self._stream.close()
        if not self.size:
            self.path.unlink(missing_ok=True)


def _complete(
    part: _PartFile, source: str, checkpoint: Checkpoint, progress: Callable[[int, int], None]
) -> None:
    """Append to ``part`` what it lacks, in as many attempts as bring something new."""
    delays = iter(RETRY_SECONDS)
    most = part.size
    while part.size < checkpoint.size:
        try:
            _receive(part, source, checkpoint, progress)
            why = "the connection was cut"
        except (OSError, HTTPException, ValueError) as error:  # an HTTPError is an OSError
            why = _why(error)
            if not _is_passing(error):
                raise _failure(part, source, checkpoint, why) from error
        if part.size == checkpoint.size:
            return
        if part.size >= most + PROGRESS_BYTES:
            most, delays = part.size, iter(RETRY_SECONDS)
        delay = next(delays, None)
        if delay is None:
            raise _failure(part, source, checkpoint, why)
        time.sleep(delay)


def _receive(
    part: _PartFile, source: str, checkpoint: Checkpoint, progress: Callable[[int, int], None]
) -> None:
    """Append to ``part`` what one request brings, which may end anywhere."""
    request = Request(source, headers={"User-Agent": f"sarseg/{__version__}"})
    if part.size:
        request.add_header("Range", f"bytes={part.size}-")
    try:
        response = urlopen(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == 416 and part.size:
            error.close()
            part.restart()
            return
        raise
    with response:
        start, total = _extent(response)
        if total is not None and total != checkpoint.size:
            raise InputError(
                f"{source} holds {total:,} bytes, but {checkpoint.file_name} has "
                f"{checkpoint.size:,}: it is another file, or a page that answers in its place. "
                + _by_hand(checkpoint, part.path.parent)
            )
        if start != part.size:  # servers may ignore the range
            part.restart()
        if start == part.size:
            _append(response, part, checkpoint.size, progress)


def _append(
    response: Any, part: _PartFile, size: int, progress: Callable[[int, int], None]
) -> None:
    reported = 0.0
    # Never beyond the size: some servers keep the connection open after the last byte.
    while part.size < size and (data := response.read1(min(_CHUNK_BYTES, size - part.size))):
        part.append(data)
        now = time.monotonic()
        if part.size == size or now - reported >= _REPORT_SECONDS:
            reported = now
            progress(part.size, size)


def _extent(response: Any) -> tuple[int, int | None]:
    """First byte of the body within the file, and the size of the file where it is told."""
    if response.status == 206:
        told = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        return (int(told[1]), int(told[2])) if told else (-1, None)
    length = response.headers.get("Content-Length")
    return 0, None if length is None else int(length)


def _is_passing(error: Exception) -> bool:
    """Whether another attempt may fare better."""
    if isinstance(error, HTTPError):
        return error.code in (408, 429) or error.code >= 500
    reason = error.reason if isinstance(error, URLError) else error
    return isinstance(reason, OSError | HTTPException) and not isinstance(reason, _LASTING)


def _why(error: Exception) -> str:
    if isinstance(error, HTTPError):
        error.close()
        return " ".join(f"the server answered {error.code} {error.reason}".split())
    match error.reason if isinstance(error, URLError) else error:
        case socket.gaierror():
            return "the server's name is not known, or there is no network"
        case ConnectionRefusedError():
            return "the server, or the proxy before it, refused the connection"
        case TimeoutError():
            return f"the server did not answer within {TIMEOUT_SECONDS:.0f} s"
        case ssl.SSLError() as reason:
            return (
                f"no secure connection ({reason}); where a proxy opens secure connections, name "
                "its certificate in SSL_CERT_FILE"
            )
        case OSError(strerror=str(text)):
            return text
        case reason:
            return str(reason) or type(reason).__name__


def _failure(part: _PartFile, source: str, checkpoint: Checkpoint, why: str) -> InputError:
    kept = (
        f"{part.size:,} of {checkpoint.size:,} bytes are kept in {part.path}, and the next "
        "attempt goes on from there. "
        if part.size
        else ""
    )
    by_hand = _by_hand(checkpoint, part.path.parent)
    return InputError(f"{source} could not be downloaded: {why}. {kept}{by_hand}")


def _by_hand(checkpoint: Checkpoint, folder: Path) -> str:
    return (
        f"If it goes on failing, download {checkpoint.url} elsewhere, and put it into {folder} or "
        "name it by --backbone-weights."
    )


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keep other processes from downloading ``target`` meanwhile, or raise OutputError.

    The system takes the lock back when the process ends, however it ends. The lock file stays:
    were it deleted, one process could lock the deleted file and another a new one.
    """
    lock = target.with_name(f".{target.name}.lock")
    with _writing(lock):
        stream = lock.open("ab")
    with stream:
        with _writing(lock):
            try:
                _lock(stream.fileno())
            except (BlockingIOError, PermissionError) as error:  # the latter on Windows
                raise OutputError(
                    f"Another process is downloading {target}; wait until it has finished."
                ) from error
        yield


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}. Make room there, or name another "
            "folder by --cache or in SARSEG_CACHE."
        ) from error
