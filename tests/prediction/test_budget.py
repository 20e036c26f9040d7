"""That a process takes no more memory than ``--memory`` says."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
import rasterio

SAMPLE = Path(__file__).parents[2] / "sample_data" / "scene.tif"
HEIGHT, WIDTH = 200, 10_000

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux only"
)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample scene, again and again from left to right."""
    bands = ""
    with rasterio.open(SAMPLE) as sample:
        for band in sample.indexes:
            pieces = ""
            for col in range(0, WIDTH, sample.width):
                width = min(sample.width, WIDTH - col)
                pieces += (
                    f"<SimpleSource><SourceFilename>{escape(str(SAMPLE))}</SourceFilename>"
                    f"<SourceBand>{band}</SourceBand>"
                    f'<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{HEIGHT}"/>'
                    f'<DstRect xOff="{col}" yOff="0" xSize="{width}" ySize="{HEIGHT}"/>'
                    "</SimpleSource>"
                )
            name = f"<Description>{sample.descriptions[band - 1]}</Description>"
            bands += f'<VRTRasterBand dataType="Float32" band="{band}">{name}{pieces}'
            bands += "</VRTRasterBand>"
    path = tmp_path_factory.mktemp("wide") / "wide.vrt"
    size = f'rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}"'
    path.write_text(f"<VRTDataset {size}>{bands}</VRTDataset>")
    return path


_COMMAND = """
import atexit, runpy, sys
def tell():
    lines = open("/proc/self/status").read().splitlines()
    print(*(line for line in lines if line.startswith("VmHWM")), file=sys.stderr)
atexit.register(tell)
runpy.run_module("sarseg", run_name="__main__")
"""


def predicted(*arguments: object) -> tuple[int, str, str, int]:
    """Exit code, stdout, stderr and most bytes of a process of its own, by its own account: that of
    its parent begins with what the parent held when it made the process."""
    command = [sys.executable, "-c", _COMMAND, "predict", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    told = re.search(r"VmHWM:\s*(\d+) kB", run.stderr)
    assert told is not None, run.stderr
    return run.returncode, run.stdout, run.stderr, 1024 * int(told[1])


@pytest.mark.parametrize(
    "bands", [pytest.param([], marks=pytest.mark.full), ["--probabilities", "--entropy"]]
)
def test_a_process_keeps_to_the_memory_that_is_named(
    tmp_path: Path, wide: Path, bands: list[str]
) -> None:
    arguments = [wide, "-o", tmp_path / "map.tif", *bands, "--batch-size", 4]
    code, out, err, _ = predicted(*arguments, "--plan", "--json")
    assert code == 0, err
    (plan,) = json.loads(out)["plans"]
    code, _, err, _ = predicted(*arguments, "--memory", "10MB")
    assert code == 2
    named = re.search(r"--memory 0\.01GB is not enough .* give --memory ([\d.]+GB)", err)
    assert named is not None, err
    allowed = float(named[1].removesuffix("GB")) * 1e9
    assert allowed < plan["memory"]
    code, _, err, peak = predicted(*arguments, "--memory", named[1])
    assert code == 0, err
    assert peak <= allowed
