import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
import torch
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine
from safetensors.torch import save_file

from sarseg.adapters import method
from sarseg.classes import LandCoverClass, unnamed_class
from sarseg.decoders import decoder
from sarseg.errors import OutputError
from sarseg.filters.preparation import BandScaling, Preparation
from sarseg.model.backbone import sam_shapes
from sarseg.model.bands import CO_AND_CROSS_POL, exact_inputs
from sarseg.model.card import ModelCard
from sarseg.model.checkpoints import file_sha256
from sarseg.model.file import save_model
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import architecture
from tests.cli.running import Sarseg, interrupted
from tests.features import write_features
from tests.rasters import speckle, write_raster

CLASSES = tuple(unnamed_class(number) for number in (4, 1, 2))
REST_AND_WATER = tuple(
    LandCoverClass(id=number, name=name, colour=(0, 0, 255))
    for number, name in enumerate(("not water", "water"))
)


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights drawn at random: the map is nonsense, but its form is right."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("backbone") / "vit_t.safetensors"
    shapes = sam_shapes(architecture("vit_t"))
    save_file({name: 0.05 * torch.randn(shape) for name, shape in shapes.items()}, path)
    return path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, backbone: Path) -> dict[str, list[object]]:
    """Options that choose a model: it takes what there is, needs VV and VH, or takes boxes."""
    folder = tmp_path_factory.mktemp("models")
    options: dict[str, list[object]] = {}
    for name, inputs, reading, classes in [
        ("any", CO_AND_CROSS_POL, "classwise", CLASSES),
        ("both", exact_inputs(["VV", "VH"]), "classwise", CLASSES),
        ("boxes", CO_AND_CROSS_POL, "box-prompted", REST_AND_WATER),
    ]:
        torch.manual_seed(1)
        segmenter = Segmenter(
            architecture("vit_t"), method("cwsam"), decoder(reading), inputs, len(classes)
        )
        card = ModelCard(
            backbone="vit_t",
            backbone_sha256=file_sha256(backbone),
            method="cwsam",
            decoder=reading,
            classes=classes,
            inputs=inputs,
            preparation=Preparation(scaling=(BandScaling(centre=-11.0, spread=4.0),) * len(inputs)),
            tile_size=64,
        )
        save_model(folder / f"{name}.safetensors", segmenter, card)
        options[name] = ["--model", folder / f"{name}.safetensors", "--backbone-weights", backbone]
    return options


@pytest.fixture
def model(models: dict[str, list[object]]) -> list[object]:
    return models["any"]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    values = speckle(70, 90)
    values[:10] = np.nan
    return write_raster(
        tmp_path / "s_vv.tif",
        values,
        crs="EPSG:32631",
        transform=Affine(10, 0, 500_000, 0, -10, 5_700_000),
    )


def test_writes_a_map_and_says_what_it_did(
    tmp_path: Path, sarseg: Sarseg, model: list[object], scene: Path
) -> None:
    output = tmp_path / "map.tif"
    run = sarseg("predict", scene, "-o", output, *model, "--confidence", "--json")
    assert run.code == 0, run.stderr
    assert "s_vv.tif: predicting from VV, read as intensity (guessed), 70 x 90" in run.stderr
    assert "Running on the CPU" in run.stderr
    result = json.loads(run.stdout)
    assert result["failed"] == []
    (made,) = result["maps"]
    assert made["output"] == str(output)
    assert made["bands"] == ["VV"]
    assert made["shape"] == [70, 90]
    assert made["pixels"]["nodata"] == 900
    assert sum(made["pixels"].values()) == 70 * 90
    with rasterio.open(output) as dataset:
        assert dataset.shape == (70, 90)
        assert dataset.crs.to_epsg() == 32631
        assert dataset.descriptions == ("class", "confidence")
        assert set(np.unique(dataset.read(1))) <= {1, 2, 4, 255}
        assert dataset.tags(1)["CLASS_4"] == "class 4"


def test_quiet_says_nothing(
    tmp_path: Path, sarseg: Sarseg, model: list[object], scene: Path
) -> None:
    assert sarseg("predict", scene, "-o", tmp_path / "map.tif", *model, "-q") == (0, "", "")
    assert (tmp_path / "map.tif").is_file()


def test_one_scene_of_two_files_and_what_is_not_used(
    tmp_path: Path, sarseg: Sarseg, model: list[object]
) -> None:
    values = {name: speckle(20, 30, seed=n) for n, name in enumerate(["hh", "hv", "vv"])}
    files = [write_raster(tmp_path / f"s_{name}.tif", band) for name, band in values.items()]
    run = sarseg("predict", *files, "-o", tmp_path / "map.tif", *model)
    assert run.code == 0, run.stderr
    assert "predicting from HH + HV (VV not used)" in run.stderr


def test_files_from_stdin(tmp_path: Path, sarseg: Sarseg, model: list[object]) -> None:
    files = [write_raster(tmp_path / f"s_{name}.tif", speckle(20, 30)) for name in ("vv", "vh")]
    listed = "\n".join(map(str, files)) + "\n\n"
    run = sarseg("predict", "-", "-o", tmp_path / "map.tif", *model, stdin=listed)
    assert run.code == 0, run.stderr
    assert "predicting from VV + VH" in run.stderr
    assert sarseg("predict", "-", "-o", tmp_path / "map.tif", *model, stdin="").code == 2


def test_scenes_to_a_folder_and_one_that_fails(
    tmp_path: Path, sarseg: Sarseg, model: list[object]
) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    vv, vh, other = (
        write_raster(tmp_path / name, speckle(20, 30))
        for name in ("a_vv.tif", "a_vh.tif", "b_hh.tif")
    )
    gone = tmp_path / "gone_vv.tif"
    unnamed = write_raster(tmp_path / "unnamed.tif", speckle(20, 30))
    run = sarseg(
        "predict", gone, f"{vv},{vh}", unnamed, other, "--output-dir", maps, *model, "--json"
    )  # fmt: skip
    assert run.code == 3  # of the first failure
    assert {path.name for path in maps.glob("*.tif")} == {
        "a_vv_landcover.tif",
        "b_hh_landcover.tif",
    }
    result = json.loads(run.stdout)
    assert [made["bands"] for made in result["maps"]] == [["VV", "VH"], ["HH"]]
    assert [failed["scene"] for failed in result["failed"]] == [[str(gone)], [str(unnamed)]]
    assert "gone_vv.tif does not exist" in result["failed"][0]["error"]
    assert run.stderr.count("error: ") == 2
    assert "--bands" in result["failed"][1]["error"]


def test_band_names_and_units_given(tmp_path: Path, sarseg: Sarseg, model: list[object]) -> None:
    path = write_raster(tmp_path / "unnamed.tif", speckle(20, 30))
    options = ["--bands", "vh", "--input-unit", "amplitude"]
    run = sarseg("predict", path, "-o", tmp_path / "map.tif", *model, *options)
    assert run.code == 0, run.stderr
    assert "predicting from VH, read as amplitude, 20 x 30" in run.stderr


def test_uncalibrated_numbers_are_warned_of(
    tmp_path: Path, sarseg: Sarseg, model: list[object]
) -> None:
    path = write_raster(tmp_path / "vv.tif", (speckle(20, 30, mean=300) + 1).astype(np.uint16))
    run = sarseg("predict", path, "-o", tmp_path / "1.tif", *model, "--json")
    assert "warning: VV of vv.tif" in run.stderr
    assert "--scaling scene" in json.loads(run.stdout)["maps"][0]["warnings"][0]
    run = sarseg("predict", path, "-o", tmp_path / "2.tif", *model, "--scaling", "scene")
    assert "warning" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["gone.tif", "-o", "map.tif"], 3, "gone.tif does not exist"),
        ([".", "-o", "map.tif"], 3, "is a folder"),
        (["text.tif", "-o", "map.tif"], 3, "is not a raster"),
        (["s_vv.tif", "s_vv.tif", "-o", "map.tif"], 3, "given twice"),
        (["s_vv.tif", "small_vh.tif", "-o", "map.tif"], 3, "does not lie on the grid"),
        (["s_vv.tif", "-o", "no/map.tif"], 4, "does not exist"),
        (["s_vv.tif", "-o", "there.tif"], 4, "there.tif exists; give --overwrite"),
        (["s_vv.tif", "-o", "s_vv.tif", "--overwrite"], 4, "is also an input"),
        (["s_vv.tif", "--output-dir", "no"], 4, "output folder no does not exist"),
        (["s_vv.tif"], 2, "either -o"),
        (["s_vv.tif", "-o", "map.tif", "--output-dir", "."], 2, "either -o"),
        (["s_vv.tif", "./s_vv.tif", "--output-dir", "."], 2, "would both become"),
        ([",", "--output-dir", "."], 2, "names no file"),
        (["s_vv.tif", "-o", "map.tif", "--input-unit", "volt"], 2, "'volt' is unknown"),
        (["s_vv.tif", "-o", "map.tif", "--device", "tpu"], 2, "'tpu' is unknown"),
        (["s_vv.tif", "-o", "map.tif", "--scaling", "tile"], 2, "tile"),
        (["s_vv.tif", "-o", "map.tif", "--overlap", "60"], 2, "choose 0 to 56"),
        (["s_vv.tif", "-o", "map.tif", "--bands", "VV,VH"], 3, "2 band names"),
        (["unnamed.tif", "-o", "map.tif"], 5, "name the bands with --bands"),
        (["empty_vv.tif", "-o", "map.tif"], 3, "all is nodata"),
        (["broken_vv.tif", "-o", "map.tif"], 3, "cannot be read at rows"),
        (["s_vv.tif", "-o", "map.tif", "--model", "text.tif"], 5, "text.tif"),
    ],
)
def test_every_wrong_input_gets_a_sentence_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sarseg: Sarseg,
    model: list[object],
    scene: Path,
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.tif").write_text("no raster")
    (tmp_path / "there.tif").write_text("old")
    write_raster(tmp_path / "small_vh.tif", speckle(5, 5))
    write_raster(tmp_path / "unnamed.tif", speckle(20, 30))
    write_raster(tmp_path / "empty_vv.tif", np.zeros((20, 30), np.uint16))
    broken = write_raster(tmp_path / "broken_vv.tif", speckle(500, 300), nodata=-1.0)
    broken.write_bytes(broken.read_bytes()[:-300_000])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    chosen = [] if "--model" in arguments else model
    run = sarseg("predict", *arguments, *chosen)
    assert run.code == code
    assert run.stdout == ""
    assert told.lower() in run.stderr.lower()
    assert "Traceback" not in run.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_model_that_needs_both_bands(
    tmp_path: Path, sarseg: Sarseg, models: dict[str, list[object]], scene: Path
) -> None:
    run = sarseg("predict", scene, "-o", tmp_path / "map.tif", *models["both"])
    assert run.code == 5
    assert "s_vv.tif has the bands VV, but the model takes all of: VV, VH" in run.stderr.replace(
        " (VV)", ""
    ).replace(" (VH)", "")


BOX = shapely.box(500_100, 5_699_500, 500_300, 5_699_700)  # columns 10 to 29, rows 30 to 49


def test_boxes_of_features(
    tmp_path: Path, sarseg: Sarseg, models: dict[str, list[object]], scene: Path
) -> None:
    boxes = write_features(tmp_path / "lakes.gpkg", [BOX], "EPSG:32631")
    arguments = [scene, "-o", tmp_path / "map.tif", *models["boxes"], "--overlap", 0, "--json"]
    run = sarseg("predict", *arguments, "--boxes", boxes)
    assert run.code == 0, run.stderr
    assert "4 tiles, 3 without a box" in run.stderr
    (made,) = json.loads(run.stdout)["maps"]
    assert made["unprompted"] == 3
    assert list(made["pixels"]) == ["not water", "water", "nodata"]
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.tags()["SARSEG_BOXES"] == "lakes.gpkg"
        classes = dataset.read(1)
    assert (classes[:10] == 255).all()
    # tiles of 64 begin at multiples of it from the CRS's origin: at row 16 and column -16 here
    assert (classes[10:, 48:] == 0).all()
    assert (classes[10:16] == 0).all()


def test_boxes_from_an_earlier_map(
    tmp_path: Path, sarseg: Sarseg, models: dict[str, list[object]], scene: Path
) -> None:
    classes = np.zeros((70, 90), np.uint8)
    classes[20:40, 70:80] = 1
    with rasterio.open(scene) as like:
        place = {"crs": like.crs, "transform": like.transform}
    earlier = write_raster(tmp_path / "earlier.tif", classes, **place)
    arguments = [scene, "-o", tmp_path / "map.tif", *models["boxes"], "--overlap", 0]
    run = sarseg("predict", *arguments, "--boxes-from", earlier)
    assert run.code == 0, run.stderr
    assert "4 tiles, 3 without a box" in run.stderr
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.tags()["SARSEG_BOXES"] == "earlier.tif"
        assert (dataset.read(1)[10:, :48] == 0).all()


def test_boxes_that_lie_on_one_of_two_scenes(
    tmp_path: Path, sarseg: Sarseg, models: dict[str, list[object]], scene: Path
) -> None:
    boxes = write_features(tmp_path / "lakes.gpkg", [BOX], "EPSG:32631")
    away = Affine(10, 0, 600_000, 0, -10, 5_700_000)
    other = write_raster(
        tmp_path / "other_vv.tif", speckle(20, 30), crs="EPSG:32631", transform=away
    )
    run = sarseg(
        "predict", other, scene, "--output-dir", tmp_path, *models["boxes"], "--boxes", boxes
    )
    assert run.code == 3
    assert run.stderr.count("error: ") == 1
    assert "No feature of" in run.stderr
    assert (tmp_path / "s_vv_landcover.tif").is_file()
    assert not (tmp_path / "other_vv_landcover.tif").exists()


@pytest.mark.parametrize(
    ("chosen", "arguments", "code", "told"),
    [
        ("boxes", [], 2, "Say where to look: by --boxes"),
        ("boxes", ["--boxes", "lakes.gpkg", "--boxes-from", "old.tif"], 2, "not both"),
        ("any", ["--boxes", "lakes.gpkg"], 2, "takes no boxes"),
        ("any", ["--boxes-from", "old.tif"], 2, "takes no boxes"),
        ("boxes", ["--boxes", "gone.gpkg"], 3, "gone.gpkg does not exist"),
        ("boxes", ["--boxes", "old.tif"], 3, "--boxes-from"),
        ("boxes", ["--boxes", "far.gpkg"], 3, "No feature of far.gpkg"),
        ("boxes", ["--boxes", "empty.gpkg"], 3, "holds no feature"),
        ("boxes", ["--boxes", "no_crs.gpkg"], 3, "has no CRS"),
        ("boxes", ["--boxes-from", "gone.tif"], 3, "gone.tif does not exist"),
        ("boxes", ["--boxes-from", "lakes.gpkg"], 3, "lakes.gpkg"),
        ("boxes", ["--boxes-from", "old.tif"], 3, "old.tif does not lie on the grid"),
    ],
)
def test_boxes_that_cannot_be_used(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sarseg: Sarseg,
    models: dict[str, list[object]],
    scene: Path,
    chosen: str,
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_features(Path("lakes.gpkg"), [BOX], "EPSG:32631")
    write_features(Path("no_crs.gpkg"), [BOX])
    write_features(Path("empty.gpkg"), [], "EPSG:32631")
    write_features(Path("far.gpkg"), [shapely.box(60, 60, 61, 61)], "EPSG:4326")
    write_raster(Path("old.tif"), np.ones((5, 5), np.uint8))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    run = sarseg("predict", scene.name, "-o", "map.tif", *models[chosen], *arguments)
    assert run.code == code, run.stderr
    assert told in run.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_options_that_make_no_sense_are_told_once(
    tmp_path: Path, sarseg: Sarseg, models: dict[str, list[object]], scene: Path
) -> None:
    other = write_raster(tmp_path / "b_vv.tif", speckle(20, 30))
    run = sarseg("predict", scene, other, "--output-dir", tmp_path, *models["boxes"])
    assert run.code == 2
    assert run.stderr.count("error: ") == 1


def test_another_backbone_must_be_asked_for(
    tmp_path: Path, sarseg: Sarseg, model: list[object], scene: Path
) -> None:
    torch.manual_seed(9)
    other = tmp_path / "other.safetensors"
    shapes = sam_shapes(architecture("vit_t"))
    save_file({name: 0.05 * torch.randn(shape) for name, shape in shapes.items()}, other)
    arguments = ["predict", scene, "-o", tmp_path / "map.tif", *model, "--backbone-weights", other]
    run = sarseg(*arguments)
    assert run.code == 5
    assert "--any-backbone" in run.stderr
    run = sarseg(*arguments, "--any-backbone")
    assert run.code == 0, run.stderr
    assert "warning: the weights of the backbone are not compared" in run.stderr


def test_without_a_model_no_scene_is_tried(tmp_path: Path, sarseg: Sarseg, scene: Path) -> None:
    other = write_raster(tmp_path / "b_vv.tif", speckle(20, 30))
    run = sarseg("predict", scene, other, "--output-dir", tmp_path, "--model", tmp_path / "no.st")
    assert run.code == 5
    assert run.stderr.count("error: ") == 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(
    tmp_path: Path, model: list[object], sent: signal.Signals
) -> None:
    path = write_raster(tmp_path / "long_vv.tif", speckle(4000, 4000), nodata=-1.0)
    arguments = ["predict", path, "-o", tmp_path / "map.tif", *model, "--device", "cpu"]
    run = interrupted(tmp_path, sent, *arguments)
    assert run.code == 130
    assert "interrupted" in run.stderr
    assert "Traceback" not in run.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"long_vv.tif"}


def test_real_scenes_to_a_folder(
    tmp_path: Path, sarseg: Sarseg, model: list[object], real_data: Path
) -> None:
    scenes = real_data / "scenes"
    pair = f"{scenes / 's1_vv_db_wgs84.tif'},{scenes / 's1_vh_db_wgs84.tif'}"
    single = scenes / "s1_vv_db_utm.tif"
    run = sarseg("predict", pair, single, "--output-dir", tmp_path, *model)
    assert run.code == 0, run.stderr
    assert "predicting from VV + VH, read as db, 264 x 264" in run.stderr
    assert {path.name for path in tmp_path.glob("*.tif")} == {
        "s1_vv_db_wgs84_landcover.tif",
        "s1_vv_db_utm_landcover.tif",
    }


def test_a_second_run_skips_what_is_finished(
    tmp_path: Path, sarseg: Sarseg, model: list[object], scene: Path
) -> None:
    other = write_raster(tmp_path / "other_vv.tif", speckle(40, 40))
    maps = tmp_path / "maps"
    maps.mkdir()
    arguments = ["predict", tmp_path / "*_vv.tif", "--output-dir", maps, *model, "--json"]
    first = sarseg(*arguments)
    assert first.code == 0, first.stderr
    outputs = [str(maps / f"{name}_vv_landcover.tif") for name in ("other", "s")]
    assert [made["output"] for made in json.loads(first.stdout)["maps"]] == outputs
    other.write_bytes(b"damaged")
    second = sarseg(*arguments)
    assert second.code == 3
    found = json.loads(second.stdout)
    assert found["maps"] == []
    assert found["skipped"] == outputs[1:]
    assert [each["scene"] for each in found["failed"]] == [[str(other)]]
    assert "2 scenes: 1 failed, 1 skipped." in second.stderr


def test_a_finished_map_of_other_settings_is_told(
    tmp_path: Path, sarseg: Sarseg, model: list[object], scene: Path
) -> None:
    (tmp_path / "maps").mkdir()
    for place in (["-o", tmp_path / "map.tif", "--resume"], ["--output-dir", tmp_path / "maps"]):
        arguments = ["predict", scene, *place, *model, "--overlap"]
        assert sarseg(*arguments, 8).code == 0
        run = sarseg(*arguments, 16, "--entropy")
        assert run.code == 4
        assert "is a finished map, but not the one that is asked for: " in run.stderr
        assert "--overlap was 8 and is now 16; the list of the map's bands was " in run.stderr
        assert sarseg(*arguments, 8).code == 0
        run = sarseg(*arguments, 16, "--overwrite")
        assert run.code == 0, run.stderr


def test_scenes_without_data_do_not_fail_a_folder(
    tmp_path: Path, sarseg: Sarseg, model: list[object], scene: Path
) -> None:
    empty = write_raster(tmp_path / "empty_vv.tif", np.zeros((20, 30), np.uint16))
    (tmp_path / "maps").mkdir()
    arguments = ["predict", scene, empty, "--output-dir", tmp_path / "maps", *model, "--json"]
    run = sarseg(*arguments)
    assert run.code == 0, run.stderr
    found = json.loads(run.stdout)
    assert [each["scene"] for each in found["empty"]] == [[str(empty)]]
    assert found["failed"] == []
    assert "2 scenes: 1 made, 1 empty." in run.stderr
    assert [path.name for path in (tmp_path / "maps").glob("*.tif")] == ["s_vv_landcover.tif"]
    assert sarseg(*arguments).code == 0


def test_one_is_singular(tmp_path: Path, sarseg: Sarseg, model: list[object]) -> None:
    path = write_raster(tmp_path / "s_vv.tif", speckle(20, 30))
    arguments = ["predict", path, "-o", tmp_path / "map.tif", *model]
    assert "\n1 tile, 1 batch of " in sarseg(*arguments, "--plan").stderr
    assert ". 1 tile, " in sarseg(*arguments).stderr


def test_a_plan_writes_nothing(
    tmp_path: Path, sarseg: Sarseg, model: list[object], scene: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    run = sarseg("predict", scene, "-o", tmp_path / "map.tif", *model, "--plan", "--json")
    assert run.code == 0, run.stderr
    (plan,) = json.loads(run.stdout)["plans"]
    assert plan["tiles"] == 6
    assert plan["batches"] == -(-6 // plan["batch_size"])
    assert 0 < plan["seconds"] < 100
    assert 10**8 < plan["memory"] < 10**10
    assert "6 tiles, " in run.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_too_little_memory_is_told(
    tmp_path: Path, sarseg: Sarseg, model: list[object], scene: Path
) -> None:
    for memory, told in [
        ("10MB", "--memory 0.01GB is not enough for 1 tile at once"),
        ("lots", "is no size"),
    ]:
        run = sarseg("predict", scene, "-o", tmp_path / "m.tif", *model, "--memory", memory)
        assert run.code == 2
        assert told in run.stderr


def test_what_cannot_be_read_is_nodata_if_allowed(
    tmp_path: Path, sarseg: Sarseg, model: list[object]
) -> None:
    blocks = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}
    path = write_raster(tmp_path / "a_vv.tif", speckle(96, 128), nodata=-1.0, **blocks)
    with rasterio.open(path) as dataset:
        offset = int(dataset.get_tag_item("BLOCK_OFFSET_2_1", "TIFF", bidx=1))
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 64)
    output = tmp_path / "map.tif"
    arguments = ["predict", path, "-o", output, *model, "--input-unit", "intensity", "--json"]
    run = sarseg(*arguments)
    assert run.code == 3
    place = (
        r"cannot be read at rows \d+ to \d+, columns \d+ to \d+: the file seems to be incomplete"
    )
    assert re.search(f"error: {path} {place}", run.stderr)
    assert not output.exists()
    run = sarseg(*arguments, "--allow-missing")
    assert run.code == 7, run.stderr
    assert re.search(f"warning: {path} {place}", run.stderr)
    assert "at rows 32 to 63, columns 64 to 95: " in run.stderr
    (made,) = json.loads(run.stdout)["maps"]
    assert len(made["unreadable"]) == 1
    assert made["missing"] > 0
    with rasterio.open(output) as landcover:
        empty = landcover.read(1) == 255
    assert empty[32:64, 64:96].all()
    assert empty.sum() == 32 * 32


def test_classes_are_regrouped_and_an_item_is_written(
    tmp_path: Path, sarseg: Sarseg, model: list[object], scene: Path
) -> None:
    groups = tmp_path / "groups.yaml"
    groups.write_text("9: {name: one, from: [class 4, class 1]}\n3: {name: other, from: 2}\n")
    options = ["--classes", groups, "--probabilities", "--entropy"]
    run = sarseg("predict", scene, "-o", tmp_path / "map.tif", *model, *options, "--stac")
    assert run.code == 3
    assert "--datetime" in run.stderr
    options += ["--stac", "--datetime", "2020-01-01T05:43:21Z"]
    run = sarseg("predict", scene, "-o", tmp_path / "map.tif", *model, *options)
    assert run.code == 0, run.stderr
    with rasterio.open(tmp_path / "map.tif") as landcover:
        assert landcover.descriptions == (
            *("class", "entropy"),
            *("probability of one", "probability of other"),
        )
        classes, _, one, other = landcover.read()
    valid = classes != 255
    assert set(np.unique(classes[valid])) <= {9, 3}
    assert (abs(one[valid].astype(int) + other[valid] - 100) <= 1).all()
    item = json.loads((tmp_path / "map.json").read_text())
    assert item["properties"]["datetime"] == "2020-01-01T05:43:21Z"


def test_a_style_for_qgis(
    tmp_path: Path, sarseg: Sarseg, model: list[object], recwarn: pytest.WarningsRecorder
) -> None:
    scene = write_raster(tmp_path / "a_vv.tif", speckle(40, 40))  # without a place on earth
    maps = tmp_path / "maps"
    maps.mkdir()
    arguments = ["predict", scene, "--output-dir", maps, *model, "--qml"]
    landcover, style = maps / "a_vv_landcover.tif", maps / "a_vv_landcover.qml"

    style.mkdir()
    run = sarseg(*arguments)
    assert run.code == OutputError.exit_code
    assert f"{style}, which is no file" in run.stderr
    assert list(maps.iterdir()) == [style]  # told before the work

    style.rmdir()
    run = sarseg(*arguments)
    assert run.code == 0, run.stderr
    assert not [each for each in recwarn if each.category is NotGeoreferencedWarning]
    made = style.read_text(encoding="utf-8")
    assert "<rasterrenderer" in made
    assert 'label="class 4"' in made

    before = landcover.stat()
    style.unlink()
    run = sarseg(*arguments)  # the map is finished, and the style missing
    assert run.code == 0, run.stderr
    assert "skipped" in run.stderr
    assert style.read_text(encoding="utf-8") == made
    assert landcover.stat() == before
    style.write_text("mine")
    assert sarseg(*arguments).code == 0
    assert style.read_text() == "mine"
