"""FUSAR-Map as downloaded, by the commands of the README: trained, evaluated, reported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from sarseg.cli import app
from sarseg.datasets.fusar import RELEASES
from sarseg.model.file import load_model
from tests.fusar_folders import write_learnable_release


def sarseg(*arguments: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, arguments), "--quiet", "--json"])
    assert done.exit_code == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module", params=["fusar", "fusar2"])
def evaluated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, dict[str, Any]]:
    """The release's name, the folder with model and page, and what was evaluated."""
    name: str = request.param
    folder = tmp_path_factory.mktemp(name)
    write_learnable_release(
        folder / "data", RELEASES[name], size=64, train=24, colour_table=name == "fusar2"
    )
    model, page = folder / "model.safetensors", folder / "report.html"
    data = ("--dataset", name, "--data", folder / "data")
    sarseg(
        *("train", *data, "-o", model, "--class-weights", "published", "--epochs", 8),
        *("--learning-rate", 1e-3),
    )
    return name, folder, sarseg("evaluate", model, *data, "-o", page)


def test_the_test_part_is_judged(evaluated: tuple[str, Path, dict[str, Any]]) -> None:
    name, _, result = evaluated
    classes = len(RELEASES[name].classes)
    confusion = np.array([row[:classes] for row in result["accuracy"]["confusion"]])
    assert confusion.sum() <= 4 * 64 * 64  # four tiles of the test part, less the filter's margin
    assert confusion.sum() > 3 * 64 * 64
    assert result["accuracy"]["figures"]["oa"] > 2 / classes  # it has learned something


def test_validation_is_recorded_in_the_model(evaluated: tuple[str, Path, dict[str, Any]]) -> None:
    _, folder, _ = evaluated
    card = load_model(folder / "model.safetensors").card
    assert "validation" in card.training["division"]
    assert card.training["chips"]["validation"] == 4  # one parent scene
    assert card.training["chips"]["train"] == 20
    assert "mIoU" in card.metrics


def test_the_published_figures_stand_beside(evaluated: tuple[str, Path, dict[str, Any]]) -> None:
    """FUSAR-Map 1.0 is published with its background out of the matrix."""
    name, folder, result = evaluated
    published = result["accuracy"]["published"]
    if name == "fusar2":
        assert published is None
        return
    inner = np.array([row[:4] for row in result["accuracy"]["confusion"][:4]])
    hits, rows, columns = inner.diagonal(), inner.sum(axis=1), inner.sum(axis=0)
    assert published["figures"]["miou"] == pytest.approx((hits / (rows + columns - hits)).mean())
    assert published["figures"]["oa"] == pytest.approx(hits.sum() / inner.sum())
    assert "background" in (folder / "report.html").read_text(encoding="utf-8")
