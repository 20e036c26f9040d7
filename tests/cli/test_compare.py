import json
import subprocess
import sys
import time
from pathlib import Path
from signal import SIGINT
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml

from sarseg.baselines import baseline
from sarseg.comparison.trial import start_from
from sarseg.datasets.synthetic import simulate, write_scene
from tests.cli.running import Sarseg

SIZE = 32


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small scene, its labels and a split into all three parts."""
    folder = tmp_path_factory.mktemp("scene")
    write_scene(simulate(7, 2 * SIZE, 4 * SIZE), folder / "scene.tif", folder / "labels.tif")
    parts = np.ones((2 * SIZE, 4 * SIZE), np.uint8)
    parts[:, 2 * SIZE : 3 * SIZE] = 2
    parts[:, 3 * SIZE :] = 3
    with (
        rasterio.open(folder / "labels.tif") as like,
        rasterio.open(folder / "split.tif", "w", **like.profile) as opened,
    ):
        opened.write(parts, 1)
    return folder


def _config(folder: Path, scene: Path, **changes: Any) -> Path:
    data = {name: str(scene / f"{name}.tif") for name in ("scene", "labels", "split")}
    content = {
        "title": "Small | comparison",
        "data": {**data, "size": SIZE},
        "seeds": [0],
        "reference": "decoder",
        "settings": {"epochs": 1, "patience": 3, "batch_size": 4, "despeckle": "none"},
        "runs": {
            "decoder": {"method": "decoder-only"},
            "Gauss": {"baseline": "gaussian-ml"},
        },
        **changes,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_a_comparison_from_end_to_end(tmp_path: Path, scene: Path, sarseg: Sarseg) -> None:
    output = tmp_path / "out"
    (tmp_path / "weights.safetensors").write_bytes(b"no tensors")
    broken = {"baseline": "unet", "weights": "weights.safetensors"}
    runs: dict[str, dict[str, Any]] = {
        "decoder": {"method": "decoder-only"},
        "broken": broken,
        "U-Net": {"baseline": "unet", "set": {"channels": [8, 16]}},
        "Gauss": {"baseline": "gaussian-ml"},
    }
    config = _config(tmp_path, scene, runs=runs)
    run = sarseg("compare", config, "-o", output, "--plan", "--json")
    assert run.code == 0, run.stderr
    assert [trial["done"] for trial in json.loads(run.stdout)["trials"]] == [False] * 4
    run = sarseg("compare", config, "-o", output, "--plan", "--json", "--only", "U-Net")
    assert [trial["run"] for trial in json.loads(run.stdout)["trials"]] == ["U-Net"]
    assert "0 of 1 trials are done" in run.stderr
    assert not output.exists()

    page = tmp_path / "page.md"
    run = sarseg("compare", config, "-o", output, "--markdown", page, "--json")
    assert run.code == 5, run.stderr
    assert "broken, seed 0 failed: " in run.stderr
    assert "cannot be read as model weights" in run.stderr
    told = json.loads(run.stdout)
    assert told == json.loads((output / "results.json").read_text())
    network, failed, unet, gauss = told["rows"]
    assert failed["failed"]
    assert not failed["figures"]
    for row in (network, unet, gauss):
        assert set(row["figures"]) == {"mIoU", "OA", "FWIoU"}
        assert all(0 <= figure["mean"] <= 1 for figure in row["figures"].values())
        (trial,) = row["trials"]
        assert trial["peak_memory"] > 10**8
    assert 0 < network["trainable_parameters"] < network["parameters"]
    assert 0 < unet["trainable_parameters"] == unet["parameters"]
    for row in (network, unet):
        assert (row["trials"][0]["epochs"], row["trials"][0]["plateau"]) == (1, False)
        assert 0 <= row["trials"][0]["validation_miou"] <= 1
    assert gauss["trials"][0]["epochs"] is None
    difference = told["differences"][-1]
    assert [each["run"] for each in told["differences"]] == ["U-Net", "Gauss"]
    gap = gauss["figures"]["mIoU"]["mean"] - network["figures"]["mIoU"]["mean"]
    assert difference["mean"] == pytest.approx(gap)
    assert (told["unit"], told["part"]) == ("field", "test")
    with rasterio.open(scene / "labels.tif") as labels:
        tested = labels.read(1)[:, 3 * SIZE :]
    assert sum(told["pixels"].values()) == (tested != 0).sum()  # 0: none
    assert (output / "models" / "decoder-0.safetensors").is_file()
    assert [set(each) for each in told["versions"]] == [{"sarseg", "torch", "numpy", "monai"}]
    # what one comparison leaves is what the next may start from
    other = baseline("unet", runs["U-Net"]["set"]).build(2, 9)
    sentences: list[str] = []
    start_from(other, output / "models" / "u_net-0.safetensors", sentences.append)
    assert len(sentences) == 1

    text = page.read_text()
    for wanted in ("# Small | comparison", "| decoder |", "Differences to decoder", "| 1\\* |"):
        assert wanted in text
    assert "](page_accuracy_vs_parameters.png)" in text
    assert (tmp_path / "page_accuracy_vs_parameters.png").stat().st_size > 10_000
    assert "](accuracy_vs_parameters.png)" in (output / "results.md").read_text()

    run = sarseg("compare", config, "-o", output, "--markdown", page)
    assert run.code == 4
    assert "--overwrite" in run.stderr
    before = {path: path.stat().st_mtime_ns for path in (output / "trials").iterdir()}
    assert len(before) == 3
    every = [list(told["pixels"])]
    retitled = _config(tmp_path, scene, title="Another title", without=every)
    run = sarseg("compare", retitled, "-o", output, "--json")
    assert run.code == 0, run.stderr
    assert {path: path.stat().st_mtime_ns for path in (output / "trials").iterdir()} == before
    assert "NaN" not in run.stdout
    again = json.loads(run.stdout)
    assert again == json.loads((output / "results.json").read_text())
    for row in again["rows"]:
        nothing = row["figures"].pop(f"mIoU without {', '.join(every[0])}")
        assert nothing["mean"] is None
    assert again["rows"] == [network, gauss]


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path, scene: Path) -> None:
    runs = {"quick": {"baseline": "gaussian-ml"}, "long": {"method": "decoder-only"}}
    settings = {"epochs": 10_000, "batch_size": 1, "despeckle": "none"}
    config = _config(tmp_path, scene, runs=runs, reference="quick", settings=settings)
    output = tmp_path / "out"
    command = [sys.executable, "-m", "sarseg", "compare", str(config), "-o", str(output)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        begun = output / "models" / "long-0.begun"
        while not begun.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(SIGINT)
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "1 finished trial of 2" in stderr
    assert "the same command goes on" in stderr
    assert [path.name for path in (output / "trials").iterdir()] == ["quick-0.json"]


def test_wrong_input(tmp_path: Path, scene: Path, sarseg: Sarseg) -> None:
    config = _config(tmp_path, scene)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").write_text("mine")
    run = sarseg("compare", config, "-o", mine)
    assert run.code == 4
    assert "something else" in run.stderr
    for plan in ((), ("--plan",)):
        run = sarseg("compare", config, "-o", tmp_path / "out", "--only", "decodr", *plan)
        assert run.code == 2
        assert "did you mean 'decoder'?" in run.stderr
    plot = tmp_path / "page_accuracy_vs_parameters.svg"
    plot.write_text("mine")
    run = sarseg("compare", config, "-o", tmp_path / "out", "--markdown", tmp_path / "page.md")
    assert run.code == 4
    assert f"{plot} exists; give --overwrite" in run.stderr
    run = sarseg("compare", "label-share", "-o", tmp_path / "out")
    assert run.code == 2
    assert "--dataset" in run.stderr
    wrong = _config(tmp_path, scene, without=[["watr"]])
    run = sarseg("compare", wrong, "-o", tmp_path / "out")
    assert run.code == 2
    assert "did you mean 'water'?" in run.stderr
