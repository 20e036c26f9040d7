import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sarseg.errors import InputError, UsageError
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.sentinel1 import find
from sarseg.scenes.window import Window
from tests.rasters import speckle, write_raster
from tests.scenes.sentinel1.safe import GRD, HEIGHT, WIDTH, Safe, counts, gcps, zipped

IMAGE = Window(0, 0, HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # the cross-polarised image first: products hold their files in any order
    images = {"VH": counts(seed=1), "VV": counts()}
    return Safe(images).write(tmp_path_factory.mktemp("product"))


@pytest.fixture
def safe(written: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(written, tmp_path / "copy" / written.name))


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.rglob(pattern)
    return path


def read(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    with Scene.open([path]) as scene:
        return scene.read(IMAGE, range(len(scene.bands)))


def refused(path: Path | str) -> str:
    with pytest.raises(InputError) as error:
        Scene.open([path])
    return str(error.value)


# What is found


def test_a_product_is_a_scene_of_its_polarisations(written: Path) -> None:
    with Scene.open([written], Reading(calibration="gamma0")) as scene:
        assert scene.name == GRD
        assert scene.bands == ("VV", "VH")
        assert (scene.height, scene.width) == (HEIGHT, WIDTH)
        assert (scene.unit, scene.unit_source) == ("intensity", "product")
        assert scene.calibrations == ("gamma0", "gamma0")
        inputs = {path.relative_to(written).parts[0] for path in scene.files}
        assert inputs == {"measurement", "annotation"}
        assert len(scene.files) == 8


def test_the_manifest_stands_for_the_product(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read(written)
    monkeypatch.chdir(written)
    for path in (written / "manifest.safe", "manifest.safe", "."):
        for found, wanted in zip(read(path), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("inside", [None, "", "downloads/2021"])
def test_zipped_it_reads_the_same_and_stays_zipped(
    written: Path, tmp_path: Path, inside: str | None
) -> None:
    file = zipped(written, tmp_path / "x.zip", inside=inside)
    for found, wanted in zip(read(file), read(written), strict=True):
        np.testing.assert_array_equal(found, wanted)
    with Scene.open([file]) as scene:
        assert set(scene.files) == {file}
        assert len(scene.georeference.gcps) == 40
    assert list(tmp_path.iterdir()) == [file]


def test_what_macos_adds_is_passed_over(safe: Path, tmp_path: Path) -> None:
    image, annotation = only(safe, "*vv*.tiff"), only(safe, "s1a*vv*.xml")
    for path in (image, annotation):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7")
    file = zipped(safe, tmp_path / "x.zip")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(f"__MACOSX/{GRD}/measurement/._{image.name}", b"\0\5\26\7")
    for path in (safe, file):
        with Scene.open([path]) as scene:
            assert scene.bands == ("VV", "VH")


def test_one_polarisation(tmp_path: Path) -> None:
    with Scene.open([Safe({"HH": counts()}).write(tmp_path)]) as scene:
        assert scene.bands == ("HH",)


def test_names_without_times_as_in_the_public_buckets(safe: Path) -> None:
    for path in list(safe.rglob("*s1a-iw*")):
        polarisation = "vv" if "-vv-" in path.name else "vh"
        head = path.name.partition("s1a-")[0]
        path.rename(path.with_name(f"{head}iw-{polarisation}{path.suffix}"))
    with Scene.open([safe]) as scene:
        assert scene.bands == ("VV", "VH")


def test_what_is_no_product_is_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    raster = write_raster(tmp_path / "vv.tif", speckle(4, 5))
    with zipfile.ZipFile(tmp_path / "rasters.zip", "w") as archive:
        archive.write(raster, "vv.tif")
    (tmp_path / "broken.zip").write_bytes(b"PK")
    names = ("folder", "vv.tif", "rasters.zip", "broken.zip", "none.SAFE", "none/manifest.safe")
    assert [find(str(tmp_path / name)) for name in names] == [None] * len(names)
    for address in ("", "/vsicurl/https://example.org/x.zip", "https://example.org/x.SAFE"):
        assert find(address) is None


# Georeference


@pytest.mark.parametrize("in_image", [True, False])
def test_control_points_of_image_or_annotation(tmp_path: Path, in_image: bool) -> None:
    images = {"VV": counts(), "VH": counts(seed=1)}
    with Scene.open([Safe(images, gcps_in_image=in_image).write(tmp_path)]) as scene:
        found = [(p.row, p.col, p.x, p.y, p.z) for p in scene.georeference.gcps]
        assert scene.georeference.transform is None
        assert scene.georeference.gcp_crs.to_epsg() == 4326
    expected = [(p.row, p.col, p.x, p.y, p.z) for p in gcps(HEIGHT, WIDTH)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_without_any_control_points_there_is_no_georeference(tmp_path: Path) -> None:
    safe = Safe({"VV": counts()}, gcps_in_image=False).write(tmp_path)
    annotation = only(safe / "annotation", "s1a*.xml")
    text = annotation.read_text()
    head, _, tail = text.partition("<geolocationGridPoint>")
    annotation.write_text(head + tail.rpartition("</geolocationGridPoint>")[2])
    with Scene.open([safe]) as scene:
        assert not scene.georeference.gcps
        assert scene.georeference.gcp_crs is None


# What the user says


def test_a_unit_contradicts_a_product(written: Path) -> None:
    with pytest.raises(UsageError, match="calibrated by sarseg"):
        Scene.open([written], Reading(unit="db"))


def test_a_product_beside_another_grid(written: Path, tmp_path: Path) -> None:
    dem = write_raster(tmp_path / "elevation.tif", speckle(HEIGHT, WIDTH + 1))
    with pytest.raises(InputError, match=rf"elevation.tif does not lie on the grid of {GRD} VV"):
        Scene.open([written, dem])


# What cannot be used


@pytest.mark.parametrize("mode", ["IW", "EW"])
def test_bursts_must_be_merged_first(tmp_path: Path, mode: str) -> None:
    complex_values = counts().astype(np.complex64)
    safe = Safe(
        {"VV": complex_values, "VH": complex_values}, mode=mode, kind="SLC", swath=f"{mode}1"
    ).write(tmp_path)
    for path in list(safe.rglob(f"*{mode.lower()}1*")):  # the other sub-swaths
        for number in "23":
            shutil.copy(
                path,
                path.with_name(path.name.replace(f"{mode.lower()}1", f"{mode.lower()}{number}")),
            )
    assert f"single-look complex product of mode {mode}" in refused(safe)
    assert "deburst" in refused(safe)


def test_waves_are_no_scene(tmp_path: Path) -> None:
    safe = Safe({"VV": counts().astype(np.complex64)}, mode="WV", kind="SLC", swath="wv1")
    assert "wave mode" in refused(safe.write(tmp_path))


def test_an_empty_folder_named_like_a_product(tmp_path: Path) -> None:
    folder = tmp_path / GRD
    folder.mkdir()
    assert f"{GRD} has no annotation/*.xml" in refused(folder)
    (folder / "manifest.safe").touch()
    assert f"{GRD} has no annotation/*.xml" in refused(folder / "manifest.safe")


@pytest.mark.parametrize(
    ("pattern", "role"),
    [
        ("s1a*vh*.tiff", "measurement"),
        ("s1a*vh*.xml", "annotation"),
        ("calibration-*vh*.xml", "calibration"),
        ("noise-*vh*.xml", "noise"),
    ],
)
def test_a_file_of_one_polarisation_is_missing(safe: Path, pattern: str, role: str) -> None:
    only(safe, pattern).unlink()
    assert refused(safe) == (
        f"{GRD} has no {role} file of VH, though others of its files name VH: the product is "
        "incomplete. Copy or download it again."
    )


def test_two_images_of_one_polarisation(safe: Path) -> None:
    image = only(safe, "*vv*.tiff")
    shutil.copy(image, image.with_name(image.name.replace("-002", "-003")))
    assert f"{GRD} has 2 measurement files of VV" in refused(safe)


def test_file_names_without_polarisation(safe: Path) -> None:
    for path in list(safe.rglob("*s1a-iw*")):
        path.rename(path.with_name(path.name.replace("-vv-", "-co-").replace("-vh-", "-cross-")))
    assert "tells a polarisation" in refused(safe)


def test_an_image_that_is_no_tiff(safe: Path) -> None:
    image = only(safe, "*vv*.tiff")
    image.write_text("no image")
    assert f"{image} is not a raster" in refused(safe)


def test_an_image_that_breaks_off(safe: Path) -> None:
    image = only(safe, "*vv*.tiff")
    image.write_bytes(image.read_bytes()[:-6000])
    with pytest.raises(InputError, match=f"{image.name} cannot be read at rows"):
        read(safe)


@pytest.mark.parametrize(
    ("pattern", "old", "new", "sentence"),
    [
        ("calibration-*vv*", "</calibration>", "", "is no whole XML file"),
        ("noise-*vv*", "<noise>", "<noise><noise", "is no whole XML file"),
        ("s1a-*vv*.xml", "<product>", "<!DOCTYPE product []><product>", "document type"),
        (
            "noise-*vv*",
            "<noise>",
            '<!DOCTYPE noise [<!ENTITY x SYSTEM "file:///etc/hostname">]><noise>&x;',
            "document type",
        ),
        ("calibration-*vv*", " 119</pixel>", "</pixel>", "numbers of sigmaNought for"),
        ("calibration-*vv*", "0 40 80", "0 80 40", "numbers of pixel that do not rise"),
        ("calibration-*vv*", "330.5", "many", "more than numbers in calibrationVector/sigma"),
        ("calibration-*vv*", "330.5", "nan", "not finite in calibrationVector/sigmaNought"),
        ("calibration-*vv*", "330.5", "0.0", "has a sigmaNought of 0, where gains above 0"),
        ("calibration-*vv*", "sigmaNought", "sigma", "has no calibrationVector/sigmaNought"),
        ("calibration-*vv*", "calibrationVector>", "vector>", "holds no calibrationVector"),
        ("calibration-*vv*", "<line>6<", "<line>6 7<", "has 2 numbers, not one, in"),
        ("noise-*vv*", "noiseRangeVector>", "vector>", "neither a noiseRangeVector nor"),
        ("noise-*vv*", "0 29</line>", "0</line>", "for 1 of line in a noiseAzimuthVector"),
    ],
)
def test_broken_annotations(
    safe: Path, tmp_path: Path, pattern: str, old: str, new: str, sentence: str
) -> None:
    path = only(safe, pattern if pattern.endswith(".xml") else f"{pattern}.xml")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    place = f"{GRD}/{path.relative_to(safe)}"
    for broken in (safe, zipped(safe, tmp_path / "x.zip")):
        message = refused(broken)
        assert message.startswith(place)
        assert sentence in message
        assert message.endswith(".")


def test_entities_do_not_grow(safe: Path) -> None:
    levels = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 12))
    path = only(safe, "noise-*vv*.xml")
    bomb = f'<!DOCTYPE noise [<!ENTITY e0 "0 ">{levels}]><noise><pixel>&e11;</pixel></noise>'
    path.write_text(bomb)
    assert "declares a document type" in refused(safe)


def test_an_annotation_that_is_a_folder(safe: Path) -> None:
    path = only(safe, "noise-*vv*.xml")
    path.unlink()
    path.mkdir()
    assert "has no noise file of VV" in refused(safe)


# Archives that cannot be used


def test_an_archive_that_breaks_off(written: Path, tmp_path: Path) -> None:
    file = zipped(written, tmp_path / f"{Path(GRD).stem}.zip")
    file.write_bytes(file.read_bytes()[:-1000])
    assert f"{file} is named like a Sentinel-1 product, but cannot be opened" in refused(file)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_an_archive_whose_annotation_is_damaged(
    written: Path, tmp_path: Path, compression: int
) -> None:
    file = zipped(written, tmp_path / "x.zip", compression=compression)
    with zipfile.ZipFile(file) as archive:
        member = next(i for i in archive.infolist() if "noise-" in i.filename)
    content = bytearray(file.read_bytes())
    middle = member.header_offset + 30 + len(member.filename) + member.compress_size // 2
    content[middle : middle + 8] = bytes(8)
    file.write_bytes(content)
    message = refused(file)
    assert f"{member.filename} in {file} cannot be unpacked" in message
    assert "Copy or download it again" in message


def test_several_products_in_one_archive(written: Path, tmp_path: Path) -> None:
    file = zipped(written, tmp_path / "x.zip")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("S1B_other.SAFE/manifest.safe", "")
    assert f"{file} holds several products ({GRD}, S1B_other.SAFE)" in refused(file)


def test_a_product_of_another_mission(tmp_path: Path) -> None:
    file = tmp_path / "s2.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("S2A_MSIL2A_20210614.SAFE/manifest.safe", "")
        archive.writestr("S2A_MSIL2A_20210614.SAFE/GRANULE/L2A/IMG_DATA/B02.jp2", "")
    assert "S2A_MSIL2A_20210614.SAFE has no annotation" in refused(file)
