"""``sarseg evaluate`` on real files, with the shipped model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sarseg.datasets.chips import write_chips
from sarseg.datasets.fusar import RELEASES
from sarseg.datasets.source import open_dataset
from sarseg.datasets.synthetic import simulate, write_scene
from sarseg.model.backbone import embedded_file
from sarseg.model.file import EMBEDDED_MODEL, read_card
from sarseg.training.data import PreparedChips
from tests.cli.running import Run, Sarseg
from tests.rasters import hidden_files, write_raster

HEIGHT, WIDTH = 150, 200


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scene.tif, truth.tif, split.tif (left train, right test, a strip validation) and chips/."""
    folder = tmp_path_factory.mktemp("evaluated")
    scene, truth, split = folder / "scene.tif", folder / "truth.tif", folder / "split.tif"
    write_scene(simulate(3, HEIGHT, WIDTH), scene, truth)
    parts = np.ones((HEIGHT, WIDTH), np.uint8)
    parts[:, 90:100], parts[:, 100:] = 2, 3
    with rasterio.open(truth) as like:
        write_raster(split, parts, crs=like.crs, transform=like.transform)
    write_chips([str(scene)], folder / "chips", size=64, labels=truth, split=split)
    return folder


def model_with(folder: Path, **training: Any) -> Path:
    """The shipped model with a card that says what it was trained on."""
    source = embedded_file(EMBEDDED_MODEL)
    with safe_open(source, framework="pt") as opened:
        metadata = opened.metadata()
    card = json.loads(metadata["sarseg"])
    card["training"] = {**card["training"], **training}
    target = folder / "model.safetensors"
    save_file(load_file(source), target, {**metadata, "sarseg": json.dumps(card)})
    return target


def result(run: Run) -> dict[str, Any]:
    assert run.code == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_map_and_the_model_that_made_it_are_judged_alike(
    data: Path, tmp_path: Path, sarseg: Sarseg
) -> None:
    model = model_with(tmp_path)
    scene, truth, landcover = data / "scene.tif", data / "truth.tif", tmp_path / "map.tif"
    sarseg("predict", scene, "-o", landcover, "--model", model, "--confidence", "-q")
    of_map = result(sarseg("evaluate", landcover, "--labels", truth, "--json"))
    report = tmp_path / "report.html"
    of_model = result(
        sarseg("evaluate", model, scene, "--labels", truth, "-o", report, "--json", "-q")
    )
    assert of_model["accuracy"] == of_map["accuracy"]
    assert (of_model["kind"], of_map["kind"]) == ("model", "map")
    assert of_model["page"] == str(report)
    assert of_model["provenance"]["Model SHA-256"] == of_map["provenance"]["Predicted by model"]
    assert "<h2>Confusion matrix</h2>" in report.read_text("utf-8")
    with rasterio.open(truth) as one, rasterio.open(landcover) as other:
        reference, mapped = one.read(1), other.read(1)
        labelled = one.read_masks(1) > 0
    assert of_map["accuracy"]["pixels"] == labelled.sum()
    assert of_map["accuracy"]["figures"]["oa"] == pytest.approx(
        (reference == mapped)[labelled].mean()
    )


def test_the_table_fits_eighty_columns(data: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    truth, landcover = data / "truth.tif", tmp_path / "map.tif"
    ids = np.array([[1, 2]], np.uint8).repeat(50_000, axis=0)
    write_raster(landcover, ids)
    with rasterio.open(landcover, "r+") as opened:
        opened.update_tags(1, CLASS_1="[bold]water[/bold] with a name " * 9, CLASS_2="field")
    run = sarseg("evaluate", landcover, "--labels", landcover)
    table = [line for line in run.stderr.splitlines() if "1.000" in line or "IoU" in line]
    assert any("[bold]" in line for line in table)
    assert max(map(len, run.stderr.splitlines())) <= 80
    assert truth.exists()


@pytest.mark.parametrize(("part", "columns"), [(None, 100), ("train", 90), ("validation", 10)])
def test_parts_of_a_split(data: Path, sarseg: Sarseg, part: str | None, columns: int) -> None:
    """Labels judged by themselves: everything is right."""
    truth = data / "truth.tif"
    options = ["--labels", truth, "--split", data / "split.tif", "--json"]
    found = result(sarseg("evaluate", truth, *options, *(["--part", part] if part else [])))
    assert found["part"] == (part or "test")
    assert found["accuracy"]["figures"]["miou"] == 1
    with rasterio.open(truth) as opened:
        labelled = (opened.read_masks(1) > 0).sum()
    assert 0 < found["accuracy"]["pixels"] <= columns * HEIGHT
    assert found["accuracy"]["pixels"] < labelled


def test_the_scene_it_was_trained_on(data: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    record = {"name": "polder", "files": ["x/scene.tif"], "height": HEIGHT, "width": WIDTH}
    division = "pixels as the raster split.tif divides them"
    model = model_with(tmp_path, scenes=[record], division=division)
    command = ["evaluate", model, data / "scene.tif", "--labels", data / "truth.tif"]
    warned = sarseg(*command, "--json")
    assert "warning: The model was trained on the scene 'scene.tif'" in flat(warned.stderr)
    assert "'scene.tif'" in result(warned)["warnings"][0]
    fine = sarseg(*command, "--split", data / "split.tif", "--json")
    assert result(fine)["warnings"] == []


class TestDataset:
    def test_parts_of_its_own_dataset(self, data: Path, tmp_path: Path, sarseg: Sarseg) -> None:
        digest = open_dataset(str(data / "chips")).digest()
        model = model_with(tmp_path, split_digest=digest)
        for part, warned in (("train", True), ("validation", True), ("test", False)):
            run = sarseg("evaluate", model, "--dataset", data / "chips", "--part", part, "--json")
            found = result(run)
            assert bool(found["warnings"]) == warned
            assert ("warning:" in run.stderr) == warned
            assert found["part"] == part
            assert found["provenance"]["Division SHA-256"] == digest

    def test_every_labelled_pixel_of_the_test_part_counts_once(
        self, data: Path, tmp_path: Path, sarseg: Sarseg
    ) -> None:
        model, report = model_with(tmp_path), tmp_path / "report.html"
        options = ["--dataset", data / "chips", "-o", report, "--batch-size", 3]
        found = result(sarseg("evaluate", model, *options, "--json"))
        source = open_dataset(str(data / "chips"))
        card = read_card(model)
        chips = PreparedChips(source, source.splits["test"], card.preparation, card.tile_size)
        expected = sum(int((chips[n][1] != 255).sum()) for n in range(len(chips)))
        assert found["accuracy"]["pixels"] == expected > 0
        assert found["accuracy"]["reliability"] is not None
        again = result(sarseg("evaluate", model, *options[:2], "--batch-size", 1, "--json"))
        ours, theirs = (np.array(each["accuracy"]["confusion"]) for each in (found, again))
        assert np.abs(ours - theirs).sum() <= 4  # a batch rounds differently
        assert report.exists()

    def test_one_class_against_the_rest(self, data: Path, tmp_path: Path, sarseg: Sarseg) -> None:
        """The dataset is seen as the model was trained to see it."""
        model = model_with(tmp_path, settings={"foreground": "water"})
        found = result(sarseg("evaluate", model, "--dataset", data / "chips", "--json"))
        present = [e["name"] for e in found["accuracy"]["classes"] if e["reference_pixels"]]
        assert set(present) <= {"water", "not water"}

    def test_chips_larger_than_the_model(self, data: Path, tmp_path: Path, sarseg: Sarseg) -> None:
        write_chips(
            [str(data / "scene.tif")],
            tmp_path / "large",
            size=500,
            labels=data / "truth.tif",
            split=data / "split.tif",
        )
        run = sarseg("evaluate", model_with(tmp_path), "--dataset", tmp_path / "large")
        assert run.code == 6
        assert "--size 448" in run.stderr

    def test_an_empty_part(self, data: Path, tmp_path: Path, sarseg: Sarseg) -> None:
        scene, truth = str(data / "scene.tif"), data / "truth.tif"
        write_chips([scene], tmp_path / "chips", size=64, labels=truth)
        run = sarseg("evaluate", model_with(tmp_path), "--dataset", tmp_path / "chips")
        assert run.code == 6
        assert "has no chips in its test part; it has: train" in flat(run.stderr)

    def test_other_bands(self, data: Path, tmp_path: Path, sarseg: Sarseg) -> None:
        with rasterio.open(data / "scene.tif") as opened:
            first = opened.read(1)
        hv = write_raster(tmp_path / "scene_hv.tif", first)
        labels = write_raster(tmp_path / "truth.tif", np.ones(first.shape, np.uint8))
        write_chips([str(hv)], tmp_path / "chips", size=64, labels=labels)
        options = ["--dataset", tmp_path / "chips", "--part", "train"]
        run = sarseg("evaluate", model_with(tmp_path), *options)
        assert run.code == 5
        assert "the model takes" in run.stderr


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            (["{map}"], "Nothing was given to judge by"),
            (["{map}", "{scene}", "--labels", "{map}"], "are for a model (.safetensors)"),
            (["{map}", "--labels", "{map}", "--nodata", "0"], "are for a model (.safetensors)"),
            (["{map}", "--dataset", "{folder}"], "are for a model (.safetensors)"),
            (["{model}", "--labels", "{map}"], "A model needs something to map"),
            (["{model}", "{scene}"], "Nothing was given to judge by"),
            (["{model}", "{scene}", "--dataset", "{folder}"], "brings its own chips"),
            (["{model}", "--dataset", "{folder}", "--labels", "{map}"], "brings its own chips"),
            (["{map}", "--labels", "{map}", "--part", "test"], "--part is a part of"),
            (["{map}", "--labels", "{map}", "--split", "blocks"], "needs the --block-size"),
            (["{map}", "--labels", "{map}", "--guard", "3"], "--guard is about blocks"),
        ],
    )
    def test_options_that_do_not_go_together(
        self, data: Path, sarseg: Sarseg, options: list[str], sentence: str
    ) -> None:
        places = {
            "map": data / "truth.tif",
            "scene": data / "scene.tif",
            "model": embedded_file(EMBEDDED_MODEL),
            "folder": data / "chips",
        }
        run = sarseg("evaluate", *(option.format(**places) for option in options))
        assert run.code == 2
        assert sentence in flat(run.stderr)

    def test_a_scene_is_no_map(self, data: Path, sarseg: Sarseg) -> None:
        run = sarseg("evaluate", data / "scene.tif", "--labels", data / "truth.tif")
        assert run.code == 3
        assert "so it is no land-cover map" in flat(run.stderr)

    def test_neither_map_nor_model_is_there(self, data: Path, sarseg: Sarseg) -> None:
        labels = ["--labels", data / "truth.tif"]
        run = sarseg("evaluate", data / "missing.tif", *labels)
        assert (run.code, "does not exist" in run.stderr) == (3, True)
        run = sarseg("evaluate", data / "missing.safetensors", data / "scene.tif", *labels)
        assert (run.code, "does not exist" in run.stderr) == (5, True)

    def test_an_existing_page_stays(self, data: Path, tmp_path: Path, sarseg: Sarseg) -> None:
        page, truth = tmp_path / "report.html", data / "truth.tif"
        page.write_text("mine")
        run = sarseg("evaluate", truth, "--labels", truth, "-o", page)
        assert run.code == 4
        assert "--overwrite" in run.stderr
        assert page.read_text() == "mine"
        assert sarseg("evaluate", truth, "--labels", truth, "-o", page, "--overwrite").code == 0
        assert page.read_text("utf-8").startswith("<!DOCTYPE html>")

    def test_an_input_is_no_page(self, data: Path, sarseg: Sarseg) -> None:
        truth = data / "truth.tif"
        run = sarseg("evaluate", truth, "--labels", truth, "-o", truth, "--overwrite")
        assert run.code == 4
        assert "is also an input" in run.stderr

    def test_nothing_is_left_after_an_error(
        self, data: Path, tmp_path: Path, sarseg: Sarseg
    ) -> None:
        labels = write_raster(tmp_path / "none.tif", np.full((HEIGHT, WIDTH), 255, np.uint8))
        landcover = write_raster(tmp_path / "map.tif", np.ones((HEIGHT, WIDTH), np.uint8))
        run = sarseg("evaluate", landcover, "--labels", labels, "-o", tmp_path / "report.html")
        assert run.code == 3
        assert "labels no pixel of map.tif" in flat(run.stderr)
        assert not (tmp_path / "report.html").exists()
        assert hidden_files(tmp_path) == []


def test_fusar_figures_are_also_told_as_published(tmp_path: Path, sarseg: Sarseg) -> None:
    """Hand-computed: 2 of 3 water pixels right, one mapped as background, which is left out."""
    ids = {entry.name: entry.id for entry in RELEASES["fusar"].classes}
    names = {f"CLASS_{number}": name for name, number in ids.items()}
    order = ["water", "water", "water", "road", "background", "building", "vegetation"]
    mapped = ["water", "water", "background", "road", "road", "building", "vegetation"]
    for path, row in (("labels.tif", order), ("map.tif", mapped)):
        write_raster(tmp_path / path, np.array([[ids[name] for name in row]], np.uint8))
        with rasterio.open(tmp_path / path, "r+") as opened:
            opened.update_tags(1, **names)
    run = sarseg("evaluate", tmp_path / "map.tif", "--labels", tmp_path / "labels.tif", "--json")
    accuracy = result(run)["accuracy"]
    iou = {entry["name"]: entry["iou"] for entry in accuracy["classes"]}
    assert iou["water"] == pytest.approx(2 / 3)
    assert iou["road"] == pytest.approx(1 / 2)
    assert iou["background"] == 0
    assert accuracy["published"]["iou"] == dict.fromkeys(accuracy["published"]["iou"], 1.0)
    assert "As published, without background: mIoU 1.000" in run.stderr
