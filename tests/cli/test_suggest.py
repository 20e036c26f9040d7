import json
from pathlib import Path

import pyogrio
import rasterio
from shapely import box

from tests.cli.running import Sarseg

SCENE = Path(__file__).parents[2] / "sample_data" / "scene.tif"


def test_squares_to_label_first(tmp_path: Path, sarseg: Sarseg) -> None:
    output = tmp_path / "here.gpkg"
    run = sarseg("suggest", SCENE, "-o", output, "--count", 6, "--size", 256, "--json")
    assert run.code == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["suggested"] == 6
    assert told["entropy"] > 1.2 * told["entropy_of_candidates"] > 0
    frame = pyogrio.read_dataframe(output)
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    with rasterio.open(SCENE) as scene:
        assert frame.crs == scene.crs
        assert box(*scene.bounds).covers(frame.union_all())
        assert (frame.area <= (256 * scene.res[0]) ** 2 + 1e-3).all()
    again = tmp_path / "again.gpkg"
    assert sarseg("suggest", SCENE, "-o", again, "--count", 6, "--size", 256).code == 0
    assert again.read_bytes() == output.read_bytes()


def test_wrong_input(tmp_path: Path, sarseg: Sarseg) -> None:
    run = sarseg("suggest", SCENE, "-o", "-", "--json")
    assert run.code == 2
    assert "both write to stdout" in run.stderr
    run = sarseg("suggest", tmp_path / "none.tif", "-o", tmp_path / "here.gpkg")
    assert run.code != 0
    assert "none.tif" in run.stderr
    assert "Traceback" not in run.stderr
    taken = tmp_path / "taken.gpkg"
    taken.write_text("mine")
    run = sarseg("suggest", SCENE, "-o", taken)
    assert run.code != 0
    assert "--overwrite" in run.stderr
    assert taken.read_text() == "mine"
