"""Time and memory from a map to polygons in a GeoPackage, beside other ways.

    python -m benchmarks.vectorize [--side 8192] [--repeats 3]

A map of nine classes, where the largest of nine smoothed noises wins, becomes polygons by

- ``sarseg vectorize``, as it is and with its steps;
- ``rasterio.features.shapes``, shapely's ``shape`` and geopandas' ``to_file``, without areas;
- ``gdal.Polygonize`` straight into the file, in one transaction (left out without ``osgeo``).

Each run is a process of its own; they take turns, and the median counts, after one round that does
not. "all" is the whole process with its start and imports, "work" what comes after them, "CPU" that
of all threads of the process, "peak" the most memory that the process held at a time. Then the
polygons are checked, the borders on a map without small regions, since that check takes minutes
with 100,000 polygons.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# torch and all that is timed are imported where they are needed: each process pays for its own

MODULE = "benchmarks.vectorize"
CLASSES = 9
SIGMA = 12
"""Pixels by which noise is smoothed: regions of 580 pixels in the mean."""

SIEVED = "--min-area=0.5ha"
COMMANDS = {
    "sarseg vectorize": [],
    "sarseg, --simplify 10m": ["--simplify=10m"],
    "sarseg, --smooth --simplify 10m": ["--smooth", "--simplify=10m"],
    "sarseg, --min-area 0.5ha": ["--min-area=0.5ha"],
    "sarseg, --majority 3": ["--majority=3"],
}
"""Options of ``sarseg vectorize``; the first row is what all others are compared with."""

SHAPES, POLYGONIZE = "rasterio shapes + geopandas", "gdal.Polygonize"


def write_map(path: Path, side: int) -> None:
    """A tiled GeoTIFF of ``side`` squared pixels of 10 m."""
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    highest = np.full((side, side), -np.inf, np.float32)
    classes = np.zeros((side, side), np.uint8)
    for class_id in range(CLASSES):
        noise = gaussian_filter(rng.standard_normal((side, side), np.float32), SIGMA, mode="wrap")
        wins = noise > highest
        classes[wins], highest[wins] = class_id, noise[wins]
    profile = {
        "driver": "GTiff",
        "height": side,
        "width": side,
        "count": 1,
        "dtype": "uint8",
        "nodata": 255,
        "crs": "EPSG:32631",
        "transform": from_origin(500_000, 5_000_000, 10, 10),
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "deflate",
    }
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(classes, 1)
        names = {f"CLASS_{number}": f"class {number}" for number in range(CLASSES)}
        dataset.update_tags(1, **names)  # as the maps of sarseg have them


def by_sarseg(options: list[str]) -> Callable[[Path, Path], None]:
    """The command itself, its modules imported."""
    import sarseg.vectors.vectorize  # noqa: F401
    from sarseg.cli import main as command_line

    def run(landcover: Path, output: Path) -> None:
        sys.argv = ["sarseg", "vectorize", str(landcover), "-o", str(output), "--quiet", *options]
        try:
            command_line()
        except SystemExit as ended:
            if ended.code:
                raise RuntimeError(f"Error: sarseg ended with {ended.code}") from ended

    return run


def by_shapes() -> Callable[[Path, Path], None]:
    """What is commonly written with rasterio and geopandas."""
    import geopandas
    import rasterio
    from rasterio.features import shapes
    from shapely.geometry import shape

    def run(landcover: Path, output: Path) -> None:
        with rasterio.open(landcover) as dataset:
            classes, mask = dataset.read(1), dataset.read_masks(1)
            transform, crs = dataset.transform, dataset.crs
        polygons, ids = [], []
        for geometry, class_id in shapes(classes, mask=mask, transform=transform):
            polygons.append(shape(geometry))
            ids.append(int(class_id))
        frame = geopandas.GeoDataFrame({"class_id": ids}, geometry=polygons, crs=crs)
        frame.to_file(output, driver="GPKG", engine="pyogrio")

    return run


def by_polygonize() -> Callable[[Path, Path], None]:
    """What ``gdal_polygonize.py`` does."""
    from osgeo import gdal, ogr

    gdal.UseExceptions()

    def run(landcover: Path, output: Path) -> None:
        dataset = gdal.Open(str(landcover))
        band = dataset.GetRasterBand(1)
        target = gdal.GetDriverByName("GPKG").Create(str(output), 0, 0, 0, gdal.GDT_Unknown)
        layer = target.CreateLayer("landcover", dataset.GetSpatialRef(), ogr.wkbPolygon)
        layer.CreateField(ogr.FieldDefn("class_id", ogr.OFTInteger))
        target.StartTransaction()
        gdal.Polygonize(band, band.GetMaskBand(), layer, 0)
        target.CommitTransaction()
        del layer, target  # the last one closes the file

    return run


def timed(name: str, landcover: Path, output: Path) -> dict[str, Any]:
    """Seconds of the work and of the CPU, and peak bytes, of this process."""
    if name in COMMANDS:
        run = by_sarseg(COMMANDS[name])
    else:
        run = by_shapes() if name == SHAPES else by_polygonize()
    output.unlink(missing_ok=True)
    began = time.perf_counter()
    run(landcover, output)
    work = time.perf_counter() - began
    used = time.process_time()
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return {"work": work, "cpu": used, "peak": 1024 * int(peak)}


def checks(folder: Path) -> dict[str, Any]:
    """What is true of the polygons that the first command wrote, and of those of a sieved map."""
    import numpy as np
    import pyogrio
    import rasterio
    import shapely
    from rasterio.features import rasterize

    landcover = folder / "map.tif"
    found: dict[str, Any] = {}
    frame = pyogrio.read_dataframe(output_of(folder, next(iter(COMMANDS))), layer=0)
    found["all geometries valid"] = bool(frame.is_valid.all())
    with rasterio.open(landcover) as dataset:
        classes, grid = dataset.read(1), {"transform": dataset.transform}
    drawn = rasterize(
        zip(frame.geometry, frame["class_id"], strict=True),
        out_shape=classes.shape,
        fill=255,
        dtype="uint8",
        **grid,
    )
    found["rasterised they are the map"] = bool(np.array_equal(drawn, classes))
    areas, vertices, held = {}, {}, {}
    for when, options in (("before", []), ("after", ["--simplify=1px"])):
        output = folder / f"{when}.gpkg"
        by_sarseg([SIEVED, *options])(landcover, output)
        frame = pyogrio.read_dataframe(output, layer=0)
        polygons = frame.geometry.to_numpy()
        if when == "before":
            found["polygons of the sieved map"] = len(frame)
        found[f"sieved, {when} --simplify 1px: a valid coverage"] = bool(
            shapely.is_valid(polygons).all() and shapely.coverage_is_valid(polygons)
        )
        areas[when] = float(shapely.area(polygons).sum())
        vertices[when] = int(shapely.get_num_coordinates(polygons).sum())
        held[when] = set(frame["class_id"])
    found["total area changed by a part of"] = abs(areas["after"] / areas["before"] - 1)
    found["no class vanishes"] = held["before"] == held["after"]
    found["vertices before"] = vertices["before"]
    found["vertices after"] = vertices["after"]
    return found


def output_of(folder: Path, name: str) -> Path:
    """Where a way writes its polygons."""
    return folder / f"{name.replace(' ', '_')}.gpkg"


def run_task(task: dict[str, Any]) -> dict[str, Any]:
    """One step in a process of its own."""
    folder = Path(task["folder"])
    if task["step"] == "map":
        write_map(folder / "map.tif", task["side"])
        return {}
    if task["step"] == "checks":
        return checks(folder)
    name = task["step"]
    return timed(name, folder / "map.tif", output_of(folder, name))


def compare(folder: Path, side: int, repeats: int) -> None:
    """Print the table, then the checks."""
    import pyogrio

    from benchmarks.measuring import GIGABYTE, in_own_process

    def own(step: str, **further: Any) -> dict[str, Any]:
        began = time.perf_counter()
        found = in_own_process(MODULE, {"step": step, "folder": str(folder), **further})
        if "error" in found:
            sys.exit(f"{step}: {found['error']}")
        return {**found, "all": time.perf_counter() - began}

    own("map", side=side)
    names = [*COMMANDS, SHAPES]
    if find_spec("osgeo") is not None:
        names.append(POLYGONIZE)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(repeats + 1):
        for name in names:
            runs[name].append(own(name))
    print(
        "| | polygons | all, s | work, s | CPU, s | peak, GB | all / sarseg | work / sarseg "
        "| peak / sarseg |\n|---|---|---|---|---|---|---|---|---|"
    )
    reference: dict[str, float] = {}
    for name in names:
        each = {
            key: statistics.median(run[key] for run in runs[name][1:])
            for key in ("all", "work", "cpu", "peak")
        }
        reference = reference or each
        polygons = pyogrio.read_info(output_of(folder, name), layer=0)["features"]
        ratios = (f"{each[key] / reference[key]:.2f}" for key in ("all", "work", "peak"))
        print(
            f"| {name} | {polygons:,} | {each['all']:.2f} | {each['work']:.2f} "
            f"| {each['cpu']:.2f} | {each['peak'] / GIGABYTE:.2f} | {' | '.join(ratios)} |",
            flush=True,
        )
    print()
    for what, answer in own("checks").items():
        if what != "all":
            text = ("no", "yes")[answer] if isinstance(answer, bool) else f"{answer:,}"
            print(f"- {what}: {text}")


def main() -> None:
    """Parse the options and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task")
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(run_task(json.loads(given.task))))
        return
    from benchmarks.measuring import device_name

    print(f"{given.side} x {given.side} pixels, {CLASSES} classes. {device_name('cpu')}\n")
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), given.side, given.repeats)


if __name__ == "__main__":
    main()
