"""Maps and models judged by labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sarseg.assessment.confusion import confusion_matrix, scores
from sarseg.classes import unnamed_class
from sarseg.datasets.splits import SpatialBlocks
from sarseg.errors import InputError, UsageError
from sarseg.evaluation.judging import Judging, Outcome, evaluate_map, evaluate_scene
from sarseg.evaluation.map import LandCoverMap
from sarseg.evaluation.reference import JudgedPart, ReferenceFiles
from sarseg.evaluation.result import Accuracy
from sarseg.prediction.predictor import predict_scene
from sarseg.prediction.settings import PredictSettings
from sarseg.scenes.reader import Scene
from tests.rasters import speckle, write_raster
from tests.toy import toy_model
from tests.vectors.maps import UTM, blocky, write_map

NAMES = {0: "water", 1: "field", 2: "moor", 3: "road"}


def part_of(split: Path, part: Any) -> JudgedPart:
    return JudgedPart(part, str(split), None, SpatialBlocks(8))


def judged(landcover: Path, labels: Path, split: JudgedPart | None = None) -> Outcome:
    return evaluate_map(landcover, Judging(ReferenceFiles(labels, judged=split)))


def accuracy(outcome: Outcome) -> Accuracy:
    assert outcome.evaluation.accuracy is not None
    return outcome.evaluation.accuracy


@pytest.fixture
def landcover(tmp_path: Path) -> Path:
    return write_map(tmp_path / "map.tif", blocky(90, 70), names=NAMES, **UTM)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    classes = np.where(blocky(90, 70, seed=8) == 0, 255, blocky(90, 70, seed=9))
    return write_map(tmp_path / "labels.tif", classes, names=NAMES, **UTM)


def test_the_matrix_is_that_of_the_whole_map(landcover: Path, labels: Path) -> None:
    found = accuracy(judged(landcover, labels))
    with rasterio.open(labels) as one, rasterio.open(landcover) as other:
        expected = confusion_matrix(one.read(1), other.read(1), 4)
    assert [list(row) for row in found.confusion] == expected.tolist()
    assert found.figures.miou == scores(expected).miou
    assert [entry.name for entry in found.classes] == list(NAMES.values())


def test_only_the_part_counts(tmp_path: Path, landcover: Path, labels: Path) -> None:
    parts = np.random.default_rng(1).integers(0, 4, (90, 70)).astype(np.uint8)
    split = write_map(tmp_path / "split.tif", parts, nodata=None, **UTM)
    with rasterio.open(labels) as one, rasterio.open(landcover) as other:
        reference, mapped = one.read(1), other.read(1)
    for number, part in ((1, "train"), (2, "validation"), (3, "test")):
        outcome = judged(landcover, labels, part_of(split, part))
        there = np.where(parts == number, reference, 255)
        expected = confusion_matrix(there, mapped, 4)
        assert [list(row) for row in accuracy(outcome).confusion] == expected.tolist()
        assert outcome.evaluation.part == part


def test_a_part_without_labels(tmp_path: Path, landcover: Path, labels: Path) -> None:
    split = write_map(tmp_path / "split.tif", np.ones((90, 70), np.uint8), **UTM)
    with pytest.raises(InputError, match=r"in its test part, .* there are some in: train\."):
        judged(landcover, labels, part_of(split, "test"))
    split = write_map(tmp_path / "none.tif", np.zeros((90, 70), np.uint8), **UTM)
    with pytest.raises(InputError, match=r"none\.tif gives no labelled pixel a split"):
        judged(landcover, labels, part_of(split, "test"))


def test_labels_elsewhere(tmp_path: Path, landcover: Path) -> None:
    far = UTM["transform"] * rasterio.Affine.translation(5000, 0)  # type: ignore[operator]
    place = {"crs": UTM["crs"], "transform": far}
    labels = write_map(tmp_path / "labels.tif", blocky(90, 70), **place)
    with pytest.raises(InputError, match=r"labels\.tif does not overlap map\.tif"):
        judged(landcover, labels)


def test_labels_of_another_grid_are_laid_on_the_map(tmp_path: Path, landcover: Path) -> None:
    """Labels twice as coarse: each of their pixels counts for four of the map."""
    coarse = blocky(45, 35, seed=2)
    transform = UTM["transform"] * rasterio.Affine.scale(2)  # type: ignore[operator]
    place = {"crs": UTM["crs"], "transform": transform}
    labels = write_map(tmp_path / "labels.tif", coarse, **place)
    with rasterio.open(landcover) as opened:
        mapped = opened.read(1)
    expected = confusion_matrix(coarse.repeat(2, axis=0).repeat(2, axis=1), mapped, 4)
    assert [list(row) for row in accuracy(judged(landcover, labels)).confusion] == expected.tolist()


def test_classes_that_the_map_does_not_know_are_errors(tmp_path: Path, landcover: Path) -> None:
    reference = np.full((90, 70), 9, np.uint8)
    reference[:45] = 1
    labels = write_map(tmp_path / "labels.tif", reference, **UTM)
    outcome = judged(landcover, labels)
    found = accuracy(outcome)
    assert found.classes[-1].name == "class 9"
    assert found.classes[-1].recall == 0
    assert found.pixels == reference.size
    assert any("class 9" in note for note in outcome.evaluation.notes)
    reference[40:45] = 9
    mostly = write_map(tmp_path / "mostly.tif", reference, **UTM)
    (warning,) = judged(landcover, mostly).evaluation.warnings
    assert "class 9" in warning


def test_classes_that_do_not_match_at_all(tmp_path: Path, landcover: Path) -> None:
    labels = write_map(tmp_path / "labels.tif", np.full((90, 70), 40, np.uint8), **UTM)
    with pytest.raises(InputError, match=r"40 class 40\) is a class of the map"):
        judged(landcover, labels)


def test_pixels_without_a_class_in_the_map_are_errors(tmp_path: Path, labels: Path) -> None:
    classes = blocky(90, 70)
    classes[20:40] = 255
    landcover = write_map(tmp_path / "gaps.tif", classes, names=NAMES, **UTM)
    found = accuracy(judged(landcover, labels))
    with rasterio.open(labels) as opened:
        assert found.unmapped == (opened.read(1)[20:40] != 255).sum()
    assert sum(row[-1] for row in found.confusion) == found.unmapped


@settings(max_examples=8, deadline=None)
@given(block=st.sampled_from([16, 32, 64]), seed=st.integers(0, 99))
def test_how_the_map_is_stored_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, block: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("stored")
    classes, truth = blocky(150, 90, seed=seed), blocky(150, 90, seed=seed + 100)
    labels = write_map(folder / "labels.tif", truth, **UTM)
    tiled = {"tiled": True, "blockxsize": block, "blockysize": block}
    stored = [
        write_map(folder / "stripes.tif", classes, blockysize=1, **UTM),
        write_map(folder / "tiles.tif", classes, **tiled, **UTM),
    ]
    one, other = (accuracy(judged(path, labels)) for path in stored)
    assert one == other


class TestModel:
    """A model on a scene, against the map that it writes."""

    @pytest.fixture
    def scene(self, tmp_path: Path) -> Path:
        values = speckle(150, 210, mean=0.08)
        values[:30, :40] = np.nan
        return write_raster(tmp_path / "s_vv.tif", values)

    @pytest.fixture
    def truth(self, tmp_path: Path) -> Path:
        ids = np.array([3, 0, 7, 255], np.uint8)[blocky(150, 210, seed=4)]
        return write_raster(tmp_path / "truth.tif", ids)

    def test_is_what_its_map_is(self, tmp_path: Path, scene: Path, truth: Path) -> None:
        model, judging = toy_model(), Judging(ReferenceFiles(truth), pictures=True)
        landcover = tmp_path / "map.tif"
        with Scene.open([scene]) as opened:
            predict_scene(opened, model, landcover, PredictSettings(confidence=True))
            of_model = evaluate_scene(opened, [str(scene)], model, Path("m.safetensors"), judging)
        of_map = evaluate_map(landcover, judging)
        by_id = {entry.id: entry for entry in accuracy(of_map).classes}
        for entry in accuracy(of_model).classes:  # the map's come in the order of their ids
            assert entry == by_id[entry.id]
        assert accuracy(of_model).figures.miou == pytest.approx(accuracy(of_map).figures.miou)
        assert accuracy(of_model).reliability == accuracy(of_map).reliability
        assert accuracy(of_model).unmapped == accuracy(of_map).unmapped > 0
        assert [each.title for each in of_model.pictures] == [
            "Scene, VV",
            "Reference",
            "Map",
            "Errors",
        ]
        assert of_model.pictures[1:] == of_map.pictures

    def test_does_not_depend_on_the_batch(self, scene: Path, truth: Path) -> None:
        judging = Judging(ReferenceFiles(truth))
        with Scene.open([scene]) as opened:
            one, other = (
                evaluate_scene(
                    opened, [], toy_model(), Path("m"), judging, PredictSettings(batch_size=batch)
                )
                for batch in (1, 7)
            )
        assert accuracy(one) == accuracy(other)

    def test_labels_are_checked_before_the_first_tile(self, scene: Path, tmp_path: Path) -> None:
        empty = write_raster(tmp_path / "empty.tif", np.full((150, 210), 255, np.uint8))
        seen: list[int] = []
        with Scene.open([scene]) as opened, pytest.raises(InputError, match="labels no pixel"):
            evaluate_scene(
                opened,
                [],
                toy_model(),
                Path("m"),
                Judging(ReferenceFiles(empty)),
                progress=lambda done, total: seen.append(done),
            )
        assert seen == []


class TestLandCoverMap:
    def test_classes_are_those_named_and_those_that_occur(self, tmp_path: Path) -> None:
        values = np.array([[0, 5, 255, 255]], np.uint8)
        path = write_map(tmp_path / "map.tif", values, names={0: "water", 7: "road"})
        with LandCoverMap(path) as landcover:
            assert [entry.id for entry in landcover.classes] == [0, 5, 7]
            assert landcover.classes[1] == unnamed_class(5)
            (rows,) = landcover.rows()
        assert rows.classes.tolist() == values.tolist()
        assert (rows.confidence == 255).all()

    def test_the_nodata_tag_is_no_class(self, tmp_path: Path) -> None:
        path = write_map(tmp_path / "map.tif", np.array([[0, 5]], np.uint8), nodata=0)
        with LandCoverMap(path) as landcover:
            assert [entry.id for entry in landcover.classes] == [5]

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (np.array([[0.5]], np.float32), "float32 values, so it is no land-cover map"),
            (np.array([[1, 300]], np.uint16), "holds 300 at row 0, column 1"),
            (np.array([[255, 255]], np.uint8), "holds no class"),
        ],
    )
    def test_other_rasters(self, tmp_path: Path, values: NDArray[Any], message: str) -> None:
        path = write_map(tmp_path / "map.tif", values, nodata=None)
        with pytest.raises(InputError, match=message):
            LandCoverMap(path)

    def test_confidence_that_is_no_percentage(self, tmp_path: Path) -> None:
        values = np.array([[[1, 1]], [[50, 101]]], np.uint8)
        path = write_raster(tmp_path / "map.tif", values, descriptions=["class", "confidence"])
        with LandCoverMap(path) as landcover, pytest.raises(InputError, match="0 to 100 percent"):
            list(landcover.rows())


def test_nothing_to_judge_by() -> None:
    with pytest.raises(UsageError, match="--labels, or --samples"):
        Judging()
