import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import rasterio

from tests.scenes.sentinel1.safe import GRD, HEIGHT, WIDTH, Safe, counts, gcps


def test_a_product_becomes_a_map(tmp_path: Path) -> None:
    dn = counts()
    dn[:, 100:] = 0
    dn[:, 99] = 30
    safe = Safe({"VV": dn, "VH": dn // 2}).write(tmp_path)
    output = tmp_path / "map.tif"
    command = [sys.executable, "-m", "sarseg", "predict", safe, "-o", output, "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert f"{GRD}: predicting from VV + VH, read as intensity, 80 x 120 pixels" in run.stderr
    (made,) = json.loads(run.stdout)["maps"]
    assert made["pixels"]["nodata"] == 20 * HEIGHT
    with rasterio.open(output) as dataset:
        assert dataset.shape == (HEIGHT, WIDTH)
        points, crs = dataset.gcps
        assert crs.to_epsg() == 4326
        expected = [(point.row, point.col, point.x, point.y) for point in gcps(HEIGHT, WIDTH)]
        found = [(point.row, point.col, point.x, point.y) for point in points]
        np.testing.assert_allclose(found, expected)
        np.testing.assert_array_equal(dataset.read(1)[:, 100:], 255)


def test_a_broken_product_gets_a_sentence(tmp_path: Path) -> None:
    safe = Safe({"VV": counts()}).write(tmp_path)
    (path,) = safe.rglob("calibration-*.xml")
    path.write_text(path.read_text()[:1000])
    command = [sys.executable, "-m", "sarseg", "predict", safe, "-o", tmp_path / "map.tif"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert f"{path.name} is no whole XML file" in run.stderr.replace("\n", "")
    assert "Traceback" not in run.stderr
    assert {each.name for each in tmp_path.iterdir()} == {GRD}
