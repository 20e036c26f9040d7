import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.running import Sarseg

SCENE = Path(__file__).parents[2] / "sample_data" / "scene.tif"


def test_the_embedded_model_on_simulated_tiles(tmp_path: Path, sarseg: Sarseg) -> None:
    page = tmp_path / "inspected.html"
    run = sarseg("inspect", "-o", page, "--tiles", 2, "--json")
    assert run.code == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["tiles"] == 2
    assert told["Scene"] == "simulated"
    windows = [n for n in range(12) if n + 1 not in told["blocks_over_the_whole_tile"]]
    for when in ("before", "after"):
        distances = np.array(told[when]["attention_distance"])
        assert distances.shape == (12, 3)
        assert distances.min() > 0
        assert distances[windows].max() < 14 * 16 * 2**0.5
        amplitudes = np.array(told[when]["log_amplitude"])
        assert amplitudes.shape == (12, 15)
        assert (amplitudes[:, 0] == 0).all()
        assert amplitudes[:, 1:].max() < 1
    assert told["before"] != told["after"]
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 13
    assert "http" not in text.replace("http://www.w3.org", "")
    assert "nan" not in text.lower().split("<main>")[1].split("data:image")[0]


def test_tiles_of_a_scene(tmp_path: Path, sarseg: Sarseg) -> None:
    run = sarseg("inspect", "--scene", SCENE, "--tiles", 1, "--json", "-o", tmp_path / "a.html")
    assert run.code == 0, run.stderr
    assert json.loads(run.stdout)["Scene"] == "scene.tif"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Nothing to write was named"),
        (("-o", "page.png"), "should end in .html"),
        (("-o", "page.html", "--input-unit", "db"), "but no scene"),
        (("none.safetensors", "-o", "page.html"), "none.safetensors does not exist"),
    ],
)
def test_wrong_input(
    tmp_path: Path, sarseg: Sarseg, arguments: tuple[str, ...], sentence: str
) -> None:
    run = sarseg("inspect", *(tmp_path / a if "." in a else a for a in arguments))
    assert run.code != 0
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr
    assert not list(tmp_path.iterdir())
