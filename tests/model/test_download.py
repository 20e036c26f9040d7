"""Downloads over real connections that are cut, refused, redirected and lied to."""

import hashlib
import os
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.errors import InputError, OutputError, UsageError
from sarseg.model.checkpoints import Checkpoint
from sarseg.model.download import download, part_file
from tests.file_server import Answer, serving

CONTENT = random.Random(7).randbytes(700_001)
SMALL = Checkpoint("vit_b", "sam.pth", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
HALF = 300_000


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sarseg.model.download.RETRY_SECONDS", (0.0, 0.0, 0.0))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SARSEG_WEIGHTS_URL", raising=False)


@pytest.fixture
def never_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes waiting for another attempt a defect: nobody can sleep so long."""
    monkeypatch.setattr("sarseg.model.download.RETRY_SECONDS", (float("nan"),))


def begun(folder: Path, content: bytes = CONTENT[:HALF]) -> Path:
    """What an earlier download left."""
    part = part_file(SMALL, folder)
    part.write_bytes(content)
    return part


def files(folder: Path) -> dict[str, bytes]:
    """Visible files; the lock is hidden, and empty."""
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


WHOLE = {"sam.pth": CONTENT}


def test_the_file_appears_whole_and_progress_is_told(tmp_path: Path, never_again: None) -> None:
    seen: list[tuple[int, int]] = []
    folder = tmp_path / "cache" / "weights"
    with serving(CONTENT) as server:
        path = download(
            SMALL, folder, url=server.url(), progress=lambda *numbers: seen.append(numbers)
        )
    assert path == folder / "sam.pth"
    assert files(folder) == WHOLE
    assert server.ranges == [None]
    assert seen[-1] == (SMALL.size, SMALL.size)
    assert seen == sorted(seen)


class TestAnEarlierDownload:
    def test_is_continued(self, tmp_path: Path) -> None:
        begun(tmp_path)
        with serving(CONTENT) as server:
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE
        assert server.ranges == [f"bytes={HALF}-"]
        assert server.sent == SMALL.size - HALF

    @pytest.mark.parametrize(
        "answer",
        [Answer(ranges=False), Answer(status=416), Answer(range_shift=9)],
        ids=["ignored", "refused", "shifted"],
    )
    def test_starts_anew_where_the_server_does_not_continue_it(
        self, tmp_path: Path, answer: Answer
    ) -> None:
        begun(tmp_path)
        with serving(CONTENT, answer) as server:
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE
        assert server.ranges[0] == f"bytes={HALF}-"

    def test_that_was_whole_needs_no_server(self, tmp_path: Path) -> None:
        begun(tmp_path, CONTENT)
        with serving(CONTENT) as server:
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE
        assert server.paths == []

    @pytest.mark.parametrize("content", [CONTENT[:-1] + b"?", CONTENT + b"more"])
    def test_that_cannot_become_right_starts_anew(self, tmp_path: Path, content: bytes) -> None:
        begun(tmp_path, content)
        with serving(CONTENT) as server:
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE

    def test_of_another_file_is_found_out_and_deleted(self, tmp_path: Path) -> None:
        begun(tmp_path, b"?" * HALF)
        with serving(CONTENT) as server:
            with pytest.raises(InputError, match="It was deleted"):
                download(SMALL, tmp_path, url=server.url())
            assert files(tmp_path) == {}
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE

    def test_is_continued_through_a_redirect(self, tmp_path: Path) -> None:
        begun(tmp_path)
        with serving(CONTENT) as other:
            moved = Answer(status=302, location=other.url("there"))
            with serving(b"", moved) as server:
                download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE
        assert other.ranges == [f"bytes={HALF}-"]
        assert other.paths == ["/there"]


class TestACutConnection:
    def test_is_made_again_and_no_byte_comes_twice(self, tmp_path: Path) -> None:
        cuts = Answer(cut_after=100_000), Answer(cut_after=0), Answer(cut_after=300_000)
        with serving(CONTENT, *cuts) as server:
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE
        assert server.ranges == [None, "bytes=100000-", "bytes=100000-", "bytes=400000-"]
        assert server.sent == SMALL.size

    def test_may_be_a_reset(self, tmp_path: Path) -> None:
        cut = Answer(cut_after=400_000, reset=True)
        with serving(CONTENT, cut, cut) as server:
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE

    def test_is_noticed_where_no_size_is_told(self, tmp_path: Path) -> None:
        with serving(CONTENT, Answer(tells_size=False, cut_after=HALF)) as server:
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE

    def test_may_come_more_often_than_retries_as_long_as_enough_comes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sarseg.model.download.PROGRESS_BYTES", 50_000)
        script = [Answer(cut_after=25_000), Answer(cut_after=0), Answer(cut_after=25_000)] * 6
        with serving(CONTENT, *script) as server:
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE
        assert len(server.paths) == len(script) + 1

    @pytest.mark.parametrize("first", [1, HALF])
    def test_after_a_byte_at_a_time_is_not_made_again_for_ever(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
    ) -> None:
        monkeypatch.setattr("sarseg.model.download.PROGRESS_BYTES", HALF)
        with (
            serving(CONTENT, Answer(cut_after=first), *[Answer(cut_after=1)] * 99) as server,
            pytest.raises(InputError, match=rf"cut\. {first + 3:,} of 700,001 bytes are kept"),
        ):
            download(SMALL, tmp_path, url=server.url())
        assert len(server.paths) == 4

    @pytest.mark.parametrize("progress", [1, HALF + 1])
    def test_is_made_again_after_a_pause(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: int
    ) -> None:
        monkeypatch.setattr("sarseg.model.download.RETRY_SECONDS", (0.3,))
        monkeypatch.setattr("sarseg.model.download.PROGRESS_BYTES", progress)
        with serving(CONTENT, Answer(cut_after=HALF)) as server:
            started = time.monotonic()
            download(SMALL, tmp_path, url=server.url())
        assert time.monotonic() - started >= 0.3
        assert files(tmp_path) == WHOLE

    def test_again_and_again_ends_with_a_sentence_and_keeps_what_came(self, tmp_path: Path) -> None:
        script = [Answer(cut_after=HALF), *[Answer(cut_after=0)] * 9]
        with (
            serving(CONTENT, *script) as server,
            pytest.raises(InputError, match=r"cut\. 300,000 of 700,001 bytes are kept in .*part,"),
        ):
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == {"sam.pth.part": CONTENT[:HALF]}
        assert len(server.paths) == 4

    def test_of_a_server_that_never_continues_comes_to_an_end(self, tmp_path: Path) -> None:
        with (
            serving(CONTENT, *[Answer(cut_after=HALF, ranges=False)] * 20) as server,
            pytest.raises(InputError, match="was cut"),
        ):
            download(SMALL, tmp_path, url=server.url())
        assert len(server.paths) == 4

    def test_of_a_silent_server_is_one_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sarseg.model.download.TIMEOUT_SECONDS", 0.1)
        script = [Answer(cut_after=HALF, stall=True), *[Answer(cut_after=0, stall=True)] * 4]
        with serving(CONTENT, *script) as server:
            with pytest.raises(InputError, match=r"not answer within 0 s\. 300,000 of"):
                download(SMALL, tmp_path, url=server.url())
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE
        assert server.ranges == [None, *[f"bytes={HALF}-"] * 5]


@settings(max_examples=40, deadline=None)
@given(
    there=st.integers(0, SMALL.size + 1),
    script=st.lists(
        st.builds(
            Answer,
            cut_after=st.integers(0, SMALL.size),
            ranges=st.booleans(),
            reset=st.booleans(),
            tells_size=st.booleans(),
        ),
        max_size=3,
    ),
)
def test_whatever_was_there_and_is_cut_the_file_is_right(there: int, script: list[Answer]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun(folder, (CONTENT + b"?")[:there])
        with serving(CONTENT, *script) as server:
            download(SMALL, folder, url=server.url())
        assert files(folder) == WHOLE


class TestAServersRefusal:
    def test_that_passes_is_tried_again(self, tmp_path: Path) -> None:
        begun(tmp_path)
        with serving(CONTENT, Answer(status=500), Answer(status=503)) as server:
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE
        assert server.sent == SMALL.size - HALF

    def test_that_does_not_pass_is_said(self, tmp_path: Path) -> None:
        with (
            serving(CONTENT, *[Answer(status=503)] * 9) as server,
            pytest.raises(InputError, match="answered 503 Service Unavailable"),
        ):
            download(SMALL, tmp_path, url=server.url())
        assert len(server.paths) == 4
        assert files(tmp_path) == {}

    @pytest.mark.parametrize(("status", "words"), [(404, "404 Not Found"), (403, "403 Forbidden")])
    def test_for_good_is_not_tried_again(self, tmp_path: Path, status: int, words: str) -> None:
        with (
            serving(CONTENT, Answer(status=status)) as server,
            pytest.raises(InputError) as caught,
        ):
            download(SMALL, tmp_path, url=server.url())
        message = str(caught.value)
        for part in (server.url(), words, SMALL.url, str(tmp_path), "--backbone-weights"):
            assert part in message
        assert len(server.paths) == 1
        assert files(tmp_path) == {}

    def test_of_more_is_said_with_what_is_there_kept(self, tmp_path: Path) -> None:
        begun(tmp_path)
        with (
            serving(CONTENT, Answer(status=403)) as server,
            pytest.raises(InputError, match="300,000 of 700,001 bytes are kept"),
        ):
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == {"sam.pth.part": CONTENT[:HALF]}


class TestWrongContent:
    def test_of_the_right_size_is_found_out_and_deleted(self, tmp_path: Path) -> None:
        wrong = CONTENT[:-1] + b"?"
        with serving(wrong) as server, pytest.raises(InputError) as caught:
            download(SMALL, tmp_path, url=server.url())
        assert hashlib.sha256(wrong).hexdigest() in str(caught.value)
        assert SMALL.sha256 in str(caught.value)
        assert files(tmp_path) == {}

    @pytest.mark.parametrize("content", [b"<html>Please log in</html>", CONTENT + b"?"])
    def test_of_another_size_is_not_even_read(self, tmp_path: Path, content: bytes) -> None:
        begun(tmp_path)
        with (
            serving(content, Answer(ranges=False)) as server,
            pytest.raises(InputError, match=rf"holds {len(content):,} bytes, .* has 700,001"),
        ):
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == {"sam.pth.part": CONTENT[:HALF]}

    def test_behind_the_right_one_is_left_alone(self, tmp_path: Path) -> None:
        with serving(CONTENT + b"more", Answer(tells_size=False)) as server:
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE

    def test_without_an_end_is_not_read_beyond_the_size(self, tmp_path: Path) -> None:
        endless = b"?" * 3_000_000
        with (
            serving(endless, Answer(tells_size=False)) as server,
            pytest.raises(InputError, match="SHA-256"),
        ):
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == {}


class TestTheTarget:
    def test_that_is_right_needs_no_server(self, tmp_path: Path) -> None:
        (tmp_path / "sam.pth").write_bytes(CONTENT)
        with serving(CONTENT) as server:
            download(SMALL, tmp_path, url=server.url())
        assert server.paths == []
        assert {path.name for path in tmp_path.iterdir()} == {"sam.pth"}

    def test_that_is_damaged_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "sam.pth").write_bytes(CONTENT[:-1] + b"?")
        with serving(CONTENT) as server:
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == WHOLE

    def test_that_is_damaged_stays_where_the_download_fails(self, tmp_path: Path) -> None:
        (tmp_path / "sam.pth").write_bytes(b"damaged")
        with serving(CONTENT, Answer(status=404)) as server, pytest.raises(InputError):
            download(SMALL, tmp_path, url=server.url())
        assert files(tmp_path) == {"sam.pth": b"damaged"}

    def test_is_downloaded_by_one_process_at_a_time(self, tmp_path: Path) -> None:
        with serving(CONTENT, Answer(cut_after=HALF, stall=True)) as server:
            first = threading.Thread(
                target=download, args=(SMALL, tmp_path), kwargs={"url": server.url()}
            )
            first.start()
            assert server.stalled.wait(10)
            with pytest.raises(OutputError, match="Another process is downloading"):
                download(SMALL, tmp_path, url=server.url())
            server.go_on.set()
            first.join()
        assert files(tmp_path) == WHOLE
        assert len(server.paths) == 1

    def test_whose_folder_cannot_be_is_an_output_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("no folder")
        with pytest.raises(OutputError, match=r"file/weights cannot be written: .*--cache"):
            download(SMALL, tmp_path / "file" / "weights", url="http://127.0.0.1:1/x")


class TestTheSource:
    def test_may_be_a_folder(self, tmp_path: Path) -> None:
        with serving(CONTENT) as server:
            download(SMALL, tmp_path, url=server.url("mirror/"))
        assert server.paths == ["/mirror/sam.pth"]

    @pytest.mark.parametrize("folder", ["mirror", "mirror/"])
    def test_may_be_a_mirror_in_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
    ) -> None:
        with serving(CONTENT) as server:
            monkeypatch.setenv("SARSEG_WEIGHTS_URL", server.url(folder))
            download(SMALL, tmp_path)
            download(SMALL, tmp_path / "again", url=server.url("named.pth"))
        assert server.paths == ["/mirror/sam.pth", "/named.pth"]

    def test_may_be_a_file(self, tmp_path: Path) -> None:
        source = tmp_path / "Größe b" / "copy.pth"
        source.parent.mkdir()
        source.write_bytes(CONTENT)
        download(SMALL, tmp_path / "one", url=source.as_uri())
        assert files(tmp_path / "one") == WHOLE
        (tmp_path / "two").mkdir()
        begun(tmp_path / "two")
        download(SMALL, tmp_path / "two", url=f"file://{source}")
        assert files(tmp_path / "two") == WHOLE

    def test_may_be_named_with_blanks_and_any_letters(self, tmp_path: Path) -> None:
        with serving(CONTENT) as server:
            download(SMALL, tmp_path, url=server.url("Größe b/100%25.pth?key=a&b=%20"))
        assert server.paths == ["/Gr%C3%B6%C3%9Fe%20b/100%25.pth?key=a&b=%20"]

    @pytest.mark.parametrize(
        "url", ["ftp://host/sam.pth", "/srv/sam.pth", "sam.pth", "", r"C:\sam.pth", "data:,x"]
    )
    def test_is_http_https_or_a_file(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(UsageError, match="https://, http:// or file:///"):
            download(SMALL, tmp_path / "new", url=url)
        assert not (tmp_path / "new").exists()

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("http://nowhere.invalid/sam.pth", "name is not known, or there is no network"),
            ("http://127.0.0.1:1/sam.pth", "refused the connection"),
        ],
    )
    def test_that_is_not_there_gets_a_sentence(self, tmp_path: Path, url: str, words: str) -> None:
        with pytest.raises(InputError, match=words):
            download(SMALL, tmp_path, url=url)
        assert files(tmp_path) == {}

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("http://127.0.0.1:port/sam.pth", "nonnumeric port"),
            ("http:///sam.pth", "no host given"),
            ("http://[::1/sam.pth", "could not be downloaded"),
            ("http://a..b/sam.pth", "could not be downloaded"),
            ("file:///nowhere/sam.pth", "No such file or directory"),
            ("file:///", "No such file or directory"),
        ],
    )
    def test_that_can_never_be_there_is_not_asked_again(
        self, tmp_path: Path, never_again: None, url: str, words: str
    ) -> None:
        with pytest.raises(InputError, match=words):
            download(SMALL, tmp_path, url=url)
        assert files(tmp_path) == {}


class TestSecureConnections:
    def test_to_a_server_that_has_none(self, tmp_path: Path, never_again: None) -> None:
        with (
            serving(CONTENT) as server,
            pytest.raises(InputError, match=r"no secure connection .*SSL_CERT_FILE"),
        ):
            download(SMALL, tmp_path, url=server.url().replace("http:", "https:"))

    def test_need_a_certificate_that_is_trusted(self, tmp_path: Path) -> None:
        certificate, key = self._certificate(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = HTTPServer(("127.0.0.1", 0), _Whole)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            url = f"https://127.0.0.1:{server.server_port}/sam.pth"
            with pytest.raises(InputError, match="certificate verify failed"):
                download(SMALL, tmp_path / "cache", url=url)
            trusting = _download_in_another_process(
                tmp_path / "cache", url, SSL_CERT_FILE=str(certificate), no_proxy="*"
            )
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
        assert trusting.returncode == 0, trusting.stderr
        assert files(tmp_path / "cache") == WHOLE

    @staticmethod
    def _certificate(folder: Path) -> tuple[Path, Path]:
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        command = (
            f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 "
            f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}"
        )
        try:
            subprocess.run(command.split(), check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("openssl, which makes the certificate, is not there or too old")
        return certificate, key


class _Whole(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _download_in_another_process(
    folder: Path, url: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The same download, with ``environment`` from the start of the process."""
    program = (
        "import sys; from pathlib import Path; "
        "from sarseg.model.checkpoints import Checkpoint; "
        "from sarseg.model import download; "
        "download.RETRY_SECONDS = (); "
        f"download.download({SMALL!r}, Path(sys.argv[1]), url=sys.argv[2])"
    )
    inherited = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return subprocess.run(
        [sys.executable, "-c", program, str(folder), url],
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestTheProxyInTheEnvironment:
    @pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
    def test_is_asked_for_hosts_that_only_it_knows(self, tmp_path: Path, variable: str) -> None:
        with serving(CONTENT) as proxy:
            done = _download_in_another_process(
                tmp_path, "http://weights.invalid/sam.pth", **{variable: f"http://{proxy.address}"}
            )
        assert done.returncode == 0, done.stderr
        assert proxy.paths == ["http://weights.invalid/sam.pth"]
        assert files(tmp_path) == WHOLE

    def test_is_not_asked_for_hosts_in_no_proxy(self, tmp_path: Path) -> None:
        with serving(CONTENT) as server, serving(b"") as proxy:
            done = _download_in_another_process(
                tmp_path,
                server.url(),
                http_proxy=f"http://{proxy.address}",
                NO_PROXY="localhost,127.0.0.1",
            )
        assert done.returncode == 0, done.stderr
        assert proxy.paths == []
        assert files(tmp_path) == WHOLE

    def test_tunnels_secure_connections(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            asked: list[bytes] = []

            def refuse() -> None:
                with proxy.accept()[0] as connection:
                    asked.append(connection.recv(1000).splitlines()[0])
                    connection.sendall(b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n")

            thread = threading.Thread(target=refuse, daemon=True)
            thread.start()
            done = _download_in_another_process(
                tmp_path,
                "https://weights.invalid/sam.pth",
                HTTPS_PROXY=f"http://127.0.0.1:{proxy.getsockname()[1]}",
            )
        assert asked[0].startswith(b"CONNECT weights.invalid:443")
        assert "Tunnel connection failed: 407" in done.stderr
