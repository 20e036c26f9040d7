"""A web server on this machine that behaves as badly as it is told to."""

import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """How one request is answered; as it stands, properly."""

    status: int = 200
    body: bytes | None = None
    """In place of the server's file."""
    location: str | None = None
    """Where the client is sent instead."""
    ranges: bool = True
    """Whether a Range header is heeded."""
    range_shift: int = 0
    """Bytes by which the part that is sent, and said to be sent, begins too late."""
    tells_size: bool = True
    cut_after: int | None = None
    """Bytes of the body after which the connection is closed."""
    reset: bool = False
    """Whether a cut is a reset, as by a router, and not an orderly end."""
    stall: bool = False
    """Whether a cut is none, but the rest comes only after ``FileServer.go_on``."""


@dataclass
class FileServer:
    """Answers every GET with ``content``, or as ``script`` says as long as it lasts.

    Where there are ``files``, each has its own path and others are not found. ``paths`` and
    ``ranges`` keep what was asked for, ``sent`` counts bytes of bodies. A request for a part with
    any of the bytes ``broken`` fails. A request for an absolute URL is answered too: the server may
    be used as a proxy.
    """

    content: bytes
    script: deque[Answer] = field(default_factory=deque)
    files: Mapping[str, bytes] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    sent: int = 0
    broken: range = range(0)
    address: str = ""
    go_on: threading.Event = field(default_factory=threading.Event)
    stalled: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "weights.pth") -> str:
        return f"http://{self.address}/{path}"


@contextmanager
def serving(
    content: bytes, *script: Answer, files: Mapping[str, bytes] | None = None
) -> Iterator[FileServer]:
    state = FileServer(content, deque(script), files or {})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(state, self)

        def do_HEAD(self) -> None:
            _answer(state, self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(state: FileServer, handler: BaseHTTPRequestHandler) -> None:
    wanted = handler.headers.get("Range")
    state.paths.append(handler.path)
    state.ranges.append(wanted)
    answer = state.script.popleft() if state.script else Answer()
    content = state.content if answer.body is None else answer.body
    if state.files:
        known = state.files.get(handler.path.split("?")[0].lstrip("/"))
        answer, content = (Answer(status=404), b"") if known is None else (answer, known)
    start, end = 0, len(content)
    if answer.status == 200 and wanted and answer.ranges:
        first, last = wanted.removeprefix("bytes=").split("-")
        start = int(first) + answer.range_shift
        end = min(int(last) + 1, end) if last else end
        if start < state.broken.stop and state.broken.start < end:
            answer = replace(answer, status=500)
    if answer.status == 200 and wanted and answer.ranges:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
    else:
        handler.send_response(answer.status)
    if answer.location:
        handler.send_header("Location", answer.location)
    body = content[start:end] if answer.status == 200 else b""
    if answer.tells_size:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command == "HEAD":
        return
    with suppress(ConnectionError):  # the client has gone
        _send(state, handler, body, answer)


def _send(state: FileServer, handler: BaseHTTPRequestHandler, body: bytes, answer: Answer) -> None:
    first = body[: answer.cut_after]
    handler.wfile.write(first)
    state.sent += len(first)
    if answer.stall:
        state.stalled.set()
        state.go_on.wait()
        handler.wfile.write(body[len(first) :])
        state.sent += len(body) - len(first)
    if answer.reset:
        # An immediate close with unsent or unread bytes: the peer gets RST.
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()
