"""``sarseg weights``, also as processes of its own that are stopped in the middle."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from sarseg.cli import console, main
from sarseg.model import checkpoints
from sarseg.model.checkpoints import Checkpoint
from tests.file_server import Answer, FileServer, serving
from tests.model.test_importing import released

CONTENT = random.Random(8).randbytes(700_001)
SMALL = Checkpoint("vit_b", "sam_b.pth", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
HALF = 300_000

# The command line, with a checkpoint that is small enough for tests.
PROGRAM = f"""
from sarseg.cli import main
from sarseg.model.checkpoints import RELEASED, Checkpoint
RELEASED["vit_b"] = {SMALL!r}
main()
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SARSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SARSEG_WEIGHTS_URL", raising=False)
    console.set_quiet(False)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.setitem(checkpoints.RELEASED, "vit_b", SMALL)
    return SMALL


class Run:
    """``sarseg weights`` in this process: its exit code, and what it said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["sarseg", "weights", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = self._capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def visible(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


class TestList:
    def test_says_what_is_shipped_here_and_missing(
        self, run: Run, cache: Path, small: Checkpoint
    ) -> None:
        cache.mkdir(parents=True)
        (cache / small.file_name).write_bytes(CONTENT)
        code, out, err = run("list", "--json")
        assert code == 0
        lines = {line.split()[1]: line for line in err.splitlines() if "vit_" in line}
        assert "shipped" in lines["vit_t"]
        assert "not here" not in lines["vit_b"]
        assert "not here" in lines["vit_l"]
        assert "2,565 MB" in lines["vit_h"]
        assert str(cache) in err
        result = json.loads(out)
        assert result["folder"] == str(cache)
        rows = {row["backbone"]: row for row in result["backbones"]}
        assert Path(rows["vit_t"]["path"]).stat().st_size == rows["vit_t"]["size"]
        assert rows["vit_b"]["path"] == str(cache / small.file_name)
        assert rows["vit_l"]["path"] is None


class TestDownload:
    def test_puts_the_file_into_the_cache(
        self, run: Run, cache: Path, small: Checkpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(CONTENT) as server:
            monkeypatch.setenv("SARSEG_WEIGHTS_URL", server.url("mirror"))
            code, out, err = run("download", "vit_b", "--json")
        assert code == 0
        assert server.paths == ["/mirror/sam_b.pth"]
        assert visible(cache) == {"sam_b.pth": CONTENT}
        assert json.loads(out) == {
            "backbone": "vit_b",
            "path": str(cache / "sam_b.pth"),
            "size": small.size,
            "sha256": small.sha256,
            "downloaded": True,
        }
        assert "bytes of sam_b.pth: 700001 of 700001" in err
        assert f"vit_b is now in {cache / 'sam_b.pth'}" in err

    def test_does_nothing_where_it_is_there(self, run: Run, cache: Path, small: Checkpoint) -> None:
        cache.mkdir(parents=True)
        (cache / small.file_name).write_bytes(CONTENT)
        code, out, err = run("download", "vit_b", "--json", "--from", "http://127.0.0.1:1/")
        assert code == 0
        assert json.loads(out)["downloaded"] is False
        assert "vit_b was already in" in err

    def test_takes_another_cache_and_is_quiet(
        self, run: Run, tmp_path: Path, cache: Path, small: Checkpoint
    ) -> None:
        with serving(CONTENT) as server:
            said = run(
                "download", "vit_b", "--from", server.url(), "--cache", tmp_path / "mine", "--quiet"
            )
        assert said == (0, "", "")
        assert visible(tmp_path / "mine" / "weights") == {"sam_b.pth": CONTENT}
        assert not cache.exists()

    def test_of_other_bytes_keeps_nothing(self, run: Run, cache: Path, small: Checkpoint) -> None:
        with serving(CONTENT[::-1]) as server:
            code, out, err = run("download", "vit_b", "--from", server.url())
        assert (code, out) == (3, "")
        assert hashlib.sha256(CONTENT[::-1]).hexdigest() in err
        assert small.sha256 in err
        assert visible(cache) == {}

    def test_of_metas_true_checkpoint_refuses_another_file(self, run: Run, cache: Path) -> None:
        with serving(b"a page") as server:
            code, out, err = run("download", "vit_h", "--from", server.url())
        assert (code, out) == (3, "")
        assert "holds 6 bytes, but sam_vit_h_4b8939.pth has 2,564,550,879" in err
        assert visible(cache) == {}

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (["vit_t"], 2, "no weights of 'vit_t' to download; choose one of: vit_b, vit_l, vit_h"),
            (["vit_b", "--from", "ftp://host/x"], 2, "'ftp://host/x' is no URL"),
            (["vit_b", "--from", "file:///nowhere/x"], 3, "No such file or directory"),
        ],
    )
    def test_that_cannot_be_gets_a_sentence_and_a_code(
        self, run: Run, cache: Path, arguments: Sequence[str], code: int, words: str
    ) -> None:
        found, out, err = run("download", *arguments)
        assert (found, out) == (code, "")
        assert words in err
        assert "Traceback" not in err
        assert visible(cache) == {}

    def test_that_meets_a_full_disk_keeps_what_fitted(self, cache: Path) -> None:
        little_room = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({HALF},) * 2)"
        with serving(CONTENT) as server:
            process = started(server, little_room + PROGRAM)
            _, err = process.communicate(timeout=60)
            assert process.returncode == 4
            assert "sam_b.pth.part cannot be written" in err
            assert visible(cache) == {"sam_b.pth.part": CONTENT[:HALF]}
            finish(server)
        assert visible(cache) == {"sam_b.pth": CONTENT}
        assert server.ranges == [None, f"bytes={HALF}-"]

    @pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
    def test_that_is_interrupted_says_that_it_can_go_on(
        self, cache: Path, stop: signal.Signals
    ) -> None:
        with serving(CONTENT, Answer(cut_after=HALF, stall=True)) as server:
            process = started(server)
            stop_in_the_middle(process, cache, server, stop)
            _, err = process.communicate()
            assert process.returncode == 130
            assert f"kept in {cache / 'sam_b.pth.part'}, and the same command goes on" in err
            assert "half-written" not in err
            assert "Traceback" not in err
            finish(server)
        assert visible(cache) == {"sam_b.pth": CONTENT}
        assert server.ranges == [None, f"bytes={HALF}-"]

    def test_that_is_killed_goes_on_where_it_was_killed(self, cache: Path) -> None:
        with serving(CONTENT, Answer(cut_after=HALF, stall=True)) as server:
            process = started(server)
            stop_in_the_middle(process, cache, server, signal.SIGKILL)
            assert process.returncode == -signal.SIGKILL
            finish(server)
        assert visible(cache) == {"sam_b.pth": CONTENT}
        assert server.ranges == [None, f"bytes={HALF}-"]


def started(server: FileServer, program: str = PROGRAM) -> subprocess.Popen[str]:
    """``sarseg weights download vit_b`` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", program, "weights", "download", "vit_b", "--from", server.url()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop_in_the_middle(
    process: subprocess.Popen[str], cache: Path, server: FileServer, stop: signal.Signals
) -> None:
    """Send ``stop`` when half of the file has arrived on disk."""
    assert server.stalled.wait(30)
    part = cache / "sam_b.pth.part"
    while process.poll() is None and part.stat().st_size < HALF:
        os.sched_yield()
    process.send_signal(stop)
    process.wait(30)


def finish(server: FileServer) -> None:
    process = started(server)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


class TestVerify:
    @pytest.fixture(autouse=True)
    def folder(self, cache: Path, small: Checkpoint) -> Path:
        cache.mkdir(parents=True)
        return cache

    def test_names_what_is_right(self, run: Run, folder: Path, tmp_path: Path) -> None:
        (folder / "sam_b.pth").write_bytes(CONTENT)
        (tmp_path / "copy.pth").write_bytes(CONTENT)
        code, out, err = run("verify", "vit_b", tmp_path / "copy.pth", "--json")
        assert code == 0
        assert err.splitlines() == [
            f"{folder / 'sam_b.pth'}: ok, vit_b",
            f"{tmp_path / 'copy.pth'}: ok, vit_b",
        ]
        first, second = json.loads(out)["files"]
        assert (first["path"], first["state"], first["backbone"]) == (
            str(folder / "sam_b.pth"),
            "ok",
            "vit_b",
        )
        assert second["sha256"] == second["expected_sha256"] == SMALL.sha256

    def test_looks_at_all_in_the_cache_by_default(self, run: Run, folder: Path) -> None:
        assert run("verify") == (0, "", f"There are no weights in {folder}.\n")
        (folder / "sam_b.pth").write_bytes(CONTENT)
        (folder / checkpoints.RELEASED["vit_l"].file_name).write_bytes(b"short")
        code, out, err = run("verify")
        assert (code, out) == (3, "")
        assert "ok, vit_b" in err
        assert "damaged, cut short: 5 bytes, sam_vit_l_0b3195.pth has 1,249,524,607" in err
        assert "1 of 2 files" in err

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (CONTENT[:-1], "damaged, cut short: 700,000 bytes, sam_b.pth has 700,001"),
            (CONTENT + b"?", "damaged, too long: 700,002 bytes"),
            (CONTENT[::-1], f"expected {SMALL.sha256}"),
        ],
    )
    def test_says_what_is_damaged(self, run: Run, folder: Path, content: bytes, words: str) -> None:
        (folder / "sam_b.pth").write_bytes(content)
        code, out, err = run("verify", "vit_b", "--json")
        assert code == 3
        assert words in err
        assert json.loads(out)["files"][0]["state"] == "damaged"

    def test_says_what_is_no_release(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "mine.pth").write_bytes(b"mine")
        code, out, err = run("verify", tmp_path / "mine.pth", "--json")
        assert code == 3
        assert f"unknown, no release of Meta's has the SHA-256 {sha256(b'mine')}" in err
        assert json.loads(out)["files"][0] == {
            "path": str(tmp_path / "mine.pth"),
            "state": "unknown",
            "backbone": None,
            "size": 4,
            "sha256": sha256(b"mine"),
            "expected_size": None,
            "expected_sha256": None,
        }

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("vit_b", "sam_b.pth do not exist or are no file; `sarseg weights download vit_b`"),
            ("vit_x", "vit_x is neither a file nor one of the backbones vit_b, vit_l, vit_h"),
        ],
    )
    def test_says_what_is_missing(self, run: Run, name: str, words: str) -> None:
        code, out, err = run("verify", name, "--json")
        assert (code, out) == (3, "")
        assert words in err


class TestImport:
    def test_says_what_did_not_match(self, run: Run, tmp_path: Path) -> None:
        _, state = released("cwsam")
        kept = {name: tensor for name, tensor in state.items() if "iou_prediction_head" not in name}
        torch.save(kept | {"extra.a": torch.ones(1), "extra.b": torch.ones(1)}, tmp_path / "x.pth")
        output = tmp_path / "ours.safetensors"
        code, out, err = run("import", tmp_path / "x.pth", "-o", output, "--json")
        assert code == 0
        for words in (
            f"Wrote {output}: cwsam on vit_t, 3 classes, decoder classwise;",
            "12 tensors that the authors' own code never runs were left out: image_encoder.blocks. "
            "(12).",
            "as published: adapter_scale=0.5, band=low, frequency_ratio=0.25. Others",
            "2 tensors in the checkpoint have no place in the model and were left out: extra.a, "
            "extra.b.",
            "6 tensors that train are not in the checkpoint and stay as in SAM: "
            "mask_decoder.iou_prediction_head. (6).",
            "1 tensors are frozen but unlike the backbone's, and were stored too: "
            "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.",
        ):
            assert words in err
        result = json.loads(out)
        assert len(result["from_sam"]) == 6
        assert len(result["never_run"]) == 12
        assert result["left_out"] == ["extra.a", "extra.b"]
        assert result["output"] == str(output)

    def test_says_what_was_assumed_and_is_doubtful(self, run: Run, tmp_path: Path) -> None:
        _, state = released("conv-lora")
        torch.save(state, tmp_path / "x.pth")
        words = "import", tmp_path / "x.pth", "-o", tmp_path / "ours.safetensors", "--overwrite"
        code, _, err = run(*words)
        assert code == 0
        assert "as published: alpha=8.0, gate=mixture" in err
        assert "without prompts; in the model, boxes prompt it" in err
        code, _, err = run(*words, "--set", "method.alpha=4")
        assert code == 0
        assert "alpha" not in err

    def test_of_nothing_known_gets_a_sentence(self, run: Run, tmp_path: Path) -> None:
        torch.save({0: torch.ones(1)}, tmp_path / "x.pth")
        code, _, err = run("import", tmp_path / "x.pth", "-o", tmp_path / "ours.safetensors")
        assert code == 5
        assert "more than plain tensors by name" in err
        assert "Traceback" not in err
        assert not (tmp_path / "ours.safetensors").exists()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
