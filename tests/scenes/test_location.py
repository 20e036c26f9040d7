"""Addresses, and what is read from real servers on this machine."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sarseg.errors import InputError
from sarseg.scenes.location import file_name, gdal_name, is_remote, local_file, shown, stem
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.window import Window
from tests.file_server import Answer, serving
from tests.rasters import speckle, write_raster

SIGNED = "https://host/a/iw-vv.rtc.tiff?sv=2021&sig=a/b.c%3D"
INSIDE = "https://host/x.zip?sig=1!/S1/a_vv.tif"


@pytest.mark.parametrize(
    ("text", "called", "named", "seen", "local"),
    [
        ("a/b_vv.tif", "a/b_vv.tif", "b_vv.tif", "a/b_vv.tif", "a/b_vv.tif"),
        ("/vsimem/x.tif", "/vsimem/x.tif", "x.tif", "/vsimem/x.tif", None),
        ("file:///a/b%20c.tif", "/a/b c.tif", "b c.tif", "/a/b c.tif", "/a/b c.tif"),
        (
            SIGNED,
            f"/vsicurl/{SIGNED}",
            "iw-vv.rtc.tiff",
            "https://host/a/iw-vv.rtc.tiff",
            None,
        ),
        (
            "HTTP://me:secret@host/b.tif",
            "/vsicurl/http://me:secret@host/b.tif",
            "b.tif",
            "http://host/b.tif",
            None,
        ),
        ("s3://bucket/k/b.tif", "/vsis3/bucket/k/b.tif", "b.tif", "s3://bucket/k/b.tif", None),
        ("gs://bucket/b.tif", "/vsigs/bucket/b.tif", "b.tif", "gs://bucket/b.tif", None),
        ("az://box/b.tif", "/vsiaz/box/b.tif", "b.tif", "az://box/b.tif", None),
        (
            "a/x.zip!/S1/b.tif",
            "/vsizip/{a/x.zip}/S1/b.tif",
            "b.tif",
            "a/x.zip!/S1/b.tif",
            "a/x.zip",
        ),
        ("zip://a/x.zip!b.tif", "/vsizip/{a/x.zip}/b.tif", "b.tif", "a/x.zip!/b.tif", "a/x.zip"),
        ("/vsizip/a/x.zip/b.tif", "/vsizip/a/x.zip/b.tif", "b.tif", "a/x.zip!/b.tif", "a/x.zip"),
        (
            INSIDE,
            "/vsizip/{/vsicurl/https://host/x.zip?sig=1}/S1/a_vv.tif",
            "a_vv.tif",
            "https://host/x.zip!/S1/a_vv.tif",
            None,
        ),
        (
            "zip+https://host/x.zip!a.tif",
            "/vsizip/{/vsicurl/https://host/x.zip}/a.tif",
            "a.tif",
            "https://host/x.zip!/a.tif",
            None,
        ),
    ],
)
def test_names_of_one_place(
    text: str, called: str, named: str, seen: str, local: str | None
) -> None:
    assert gdal_name(text) == called
    for spelled in (text, called):
        assert file_name(spelled) == named
        assert shown(spelled) == seen
        assert local_file(spelled) == (None if local is None else Path(local))
    assert is_remote(called) == (local is None and "vsimem" not in text)


def test_outputs_are_called_after_the_file_or_the_product() -> None:
    assert stem(SIGNED) == "iw-vv.rtc"
    assert stem(INSIDE) == "a_vv"
    assert stem("data/S1A_1.SAFE/manifest.safe") == stem("data/S1A_1.SAFE") == "S1A_1"


def test_a_scheme_that_is_not_known() -> None:
    with pytest.raises(InputError, match=r"gopher://, which is none of file://, http://"):
        gdal_name("gopher://host/a.tif")


def large_raster(folder: Path) -> Path:
    return write_raster(folder / "a_vv.tif", speckle(2000, 700), tiled=True, nodata=-1.0)


def test_a_window_of_a_raster_on_a_server(tmp_path: Path) -> None:
    path = large_raster(tmp_path)
    with serving(b"", files={"data/a_vv.tif": path.read_bytes()}) as server:
        url = server.url("data/a_vv.tif?sig=secret")
        with Scene.open([url]) as scene:
            assert (scene.bands, scene.name, scene.files) == (("VV",), "a_vv.tif", ())
            opened = server.sent
            values, _ = scene.read(Window(700, 300, 40, 50), [0])
        np.testing.assert_array_equal(values[0], speckle(2000, 700)[700:740, 300:350])
        assert server.sent - opened < path.stat().st_size / 10
        assert {asked.split("?")[0] for asked in server.paths} == {"/data/a_vv.tif"}
        with pytest.raises(InputError, match=r"data/a_vv\.tif is given twice"):
            Scene.open([url, url])


def test_a_server_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a_vv.tif", speckle(20, 30), nodata=-1.0)
    with (
        serving(path.read_bytes(), Answer(status=503)) as server,
        Scene.open([server.url("busy/a_vv.tif")]) as scene,
    ):
        assert scene.bands == ("VV",)


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, "asks for credentials"), (403, "refuses access"), (404, "knows no such file")],
)
def test_what_a_server_answers_is_told_without_the_signature(status: int, told: str) -> None:
    with serving(b"", *[Answer(status=status)] * 9) as server:
        url = server.url(f"{status}/a_vv.tif")
        with pytest.raises(InputError, match=told) as caught:
            Scene.open([f"{url}?sig=secret"])
    assert str(caught.value).startswith(f"{url} cannot be opened")
    assert "secret" not in str(caught.value)


def test_no_server_and_no_raster() -> None:
    with serving(b"") as server:
        gone = server.url("a_vv.tif")
    with pytest.raises(InputError, match="Check the address and the connection"):
        Scene.open([gone])
    with serving(b"no raster" * 100) as server, pytest.raises(InputError, match="is not a raster"):
        Scene.open([server.url("b_vv.tif")])


def test_a_server_that_goes_away_meanwhile(tmp_path: Path) -> None:
    path = large_raster(tmp_path)
    with serving(path.read_bytes()) as server:
        scene = Scene.open([server.url("gone/a_vv.tif")], Reading(unit="intensity"))
    with scene, pytest.raises(InputError, match=r"rows 1500 to 1549.*Check the connection"):
        scene.read(Window(1500, 300, 50, 50), [0])


_OPEN = """
import json, sys
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window
with Scene.open(sys.argv[1:]) as scene:
    values, _ = scene.read(Window(0, 0, scene.height, scene.width), range(len(scene.bands)))
    print(json.dumps([scene.name, scene.bands, float(values.sum()), list(map(str, scene.files))]))
"""


def opened(*names: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a process of its own makes of a scene: name, bands, sum of values, files."""
    return subprocess.run(
        [sys.executable, "-c", _OPEN, *names],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_object_storage(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a_vv.tif", speckle(20, 30), nodata=-1.0)
    with serving(b"", files={"bucket/k/a_vv.tif": path.read_bytes()}) as server:
        settings = {
            "AWS_S3_ENDPOINT": server.address,
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_NO_SIGN_REQUEST": "YES",
        }
        run = opened("s3://bucket/k/a_vv.tif", **settings)
        assert run.returncode == 0, run.stderr
        name, bands, total, files = json.loads(run.stdout)
        assert (name, bands, files) == ("a_vv.tif", ["VV"], [])
        assert total == pytest.approx(float(speckle(20, 30).sum()), rel=1e-4)
        run = opened("s3://bucket/k/gone_vv.tif", **settings)
        assert "InputError: s3://bucket/k/gone_vv.tif" in run.stderr


def test_zip_files_on_a_server(tmp_path: Path) -> None:
    files = [write_raster(tmp_path / f"a_{pol}.tif", speckle(20, 30)) for pol in ("vv", "vh")]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in files:
            archive.write(path, f"product/{path.name}")
        archive.writestr("product/readme.txt", "two polarisations")
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.write(files[0], "product/a_vv.tif")
    content = (tmp_path / "x.zip").read_bytes()
    served = {
        "x.zip": content,
        "cut.zip": content[:500],
        "one_hh.zip": (tmp_path / "one.zip").read_bytes(),
    }
    with serving(b"", files=served) as server:
        run = opened(server.url("x.zip"))
        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout)[:2] == ["x.zip", ["VH", "VV"]]
        run = opened(server.url("x.zip") + "!/product/a_vh.tif")
        assert json.loads(run.stdout)[:2] == ["a_vh.tif", ["VH"]]
        run = opened(server.url("one_hh.zip"))  # GDAL does not tell the name of the only file
        assert json.loads(run.stdout)[:2] == ["one_hh.zip", ["HH"]]
        assert "cannot be opened as a zip file" in opened(server.url("cut.zip")).stderr
