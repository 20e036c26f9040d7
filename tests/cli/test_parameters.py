"""The table of parameters: every method on every backbone, and CWSAM's known number."""

import json
import subprocess
import sys

from sarseg.adapters import METHODS
from sarseg.sam.architecture import ARCHITECTURES


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sarseg", "parameters", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_method_and_backbone_is_counted() -> None:
    done = run("--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)["parameters"]
    assert counts.keys() == ARCHITECTURES.keys()
    assert all(by_method.keys() == METHODS.keys() for by_method in counts.values())
    cwsam = counts["vit_b"]["cwsam"]["trainable"]
    # by hand: adapters, prompts, SAM's decoder, the head for 5 classes of 32 features
    adapters = 12 * 2 * (768 * 192 + 192 + 192 * 768 + 768)
    prompts = (3 * 256 * 24 + 24) + (768 * 24 + 24) + 12 * (24 * 24 + 24) + (24 * 768 + 768)
    head = (64 * 64 * 4 + 64) + 2 * 64 + (64 * 160 * 49 + 160)
    sam_decoder = 4_058_340
    assert cwsam == adapters + prompts + head + sam_decoder
    assert round(cwsam / 1e6, 2) == 11.74
    assert counts["vit_b"]["full"]["trainable"] > counts["vit_b"]["lora"]["trainable"]


def test_the_table_shows_the_published_figures_with_their_source() -> None:
    done = run()
    assert "11.741" in done.stderr
    assert "arXiv 2401.02326" in done.stderr
    assert "2401.02326" not in run("--classes", "7").stderr


def test_a_decoder_without_such_a_form_is_refused() -> None:
    done = run("--decoder", "box-prompted", "--classes", "3")
    assert done.returncode == 5
    assert "Traceback" not in done.stderr
