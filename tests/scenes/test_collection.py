"""Which scenes are found in folders and by patterns."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.errors import InputError
from sarseg.scenes.collection import scenes_in, scenes_matching
from sarseg.scenes.reader import Scene
from tests.rasters import speckle, write_raster

HYP3 = "S1A_IW_20180128T161201_DVP_RTC30_G_gpuned_FD6A"
LATER = "S1A_IW_20180209T161201_DVP_RTC30_G_gpuned_07B2"


def touch(folder: Path, *names: str) -> None:
    """Files of which the names alone count."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(scenes: list[tuple[str, ...]], folder: Path) -> list[str]:
    """Scenes as texts, their files relative to ``folder``."""
    return [" ".join(str(Path(file).relative_to(folder)) for file in scene) for scene in scenes]


def test_a_folder_of_one_scene_stays_one(tmp_path: Path) -> None:
    touch(tmp_path / "pair", "a_VV.tif", "a_VH.tif", "a_inc_map.tif", "notes.txt")
    touch(tmp_path / "single", "image.tif", "readme.txt", ".image.tif")
    touch(
        tmp_path / "S1A_X.SAFE", "manifest.safe", "measurement/a-vv.tiff", "measurement/b-vv.tiff"
    )
    for name in ("pair", "single", "S1A_X.SAFE"):
        assert scenes_in(tmp_path / name) == [(str(tmp_path / name),)]


def test_a_folder_of_scenes(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "b.tif",
        "a_vh.tif",
        "a_VV.tif",
        "c_vv.img",
        "c_vv.hdr",
        "c_vv.img.aux.xml",
        "mosaic.vrt",
        ".c_vv.sarseg-partial-1.tif",
        "notes.txt",
        "roma_dem.tif",
        "S1A_X.SAFE/manifest.safe",
        "rtc/x_vv.tif",
        "rtc/x_vh.tif",
        "several/1.tif",
        "several/2.tif",
        "text/readme.txt",
        "dems/roma_dem.tif",
    )
    with zipfile.ZipFile(tmp_path / "packed.zip", "w"):
        pass
    assert found(scenes_in(tmp_path), tmp_path) == [
        "S1A_X.SAFE",
        "a_VV.tif a_vh.tif",
        "b.tif",
        "c_vv.img",
        "mosaic.vrt",
        "packed.zip",
        "rtc",
    ]


def test_one_raster_beside_products_is_not_all(tmp_path: Path) -> None:
    touch(tmp_path, "a_vv.tif", "S1A_X.SAFE/manifest.safe")
    assert found(scenes_in(tmp_path), tmp_path) == ["S1A_X.SAFE", "a_vv.tif"]
    touch(tmp_path / "zips", "only.zip")
    assert found(scenes_in(tmp_path / "zips"), tmp_path) == ["zips/only.zip"]


def test_products_unpacked_into_one_folder_are_told_apart(tmp_path: Path) -> None:
    for product, seed in ((HYP3, 1), (LATER, 2)):
        for layer in ("VV", "VH"):
            write_raster(tmp_path / f"{product}_{layer}.tif", speckle(8, 9, seed=seed))
        write_raster(tmp_path / f"{product}_inc_map.tif", np.full((8, 9), 0.7, np.float32))
    scenes = scenes_in(tmp_path)
    assert found(scenes, tmp_path) == [
        f"{product}_VV.tif {product}_VH.tif {product}_inc_map.tif" for product in (HYP3, LATER)
    ]
    with Scene.open(scenes[1]) as scene:
        assert set(scene.bands) == {"VV", "VH", "local_incidence_angle"}


def test_an_angle_that_could_belong_to_two_scenes_belongs_to_none(tmp_path: Path) -> None:
    touch(tmp_path, "S1_VV_2020.tif", "S1_VV_2021.tif", "S1_inc_angle.tif")
    assert found(scenes_in(tmp_path), tmp_path) == ["S1_VV_2020.tif", "S1_VV_2021.tif"]


def test_the_same_polarisation_twice_is_no_scene_of_two_files(tmp_path: Path) -> None:
    touch(tmp_path, "a_vv.tif", "a_vv.img", "b_vv.tif")
    assert found(scenes_in(tmp_path), tmp_path) == ["a_vv.img", "a_vv.tif", "b_vv.tif"]


def test_folders_without_scenes(tmp_path: Path) -> None:
    touch(tmp_path, "2023/a_vv.tif", "2023/b_vv.tif", "2024/a.tif", "2024/b.tif")
    with pytest.raises(InputError, match=r"without a scene in it: .*/\*\*/\*\.tif'"):
        scenes_in(tmp_path)


def test_the_folder_of_outputs_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a_vv.tif", "b_vv.tif", "maps/a_vv_landcover.tif")
    assert "maps" in found(scenes_in(tmp_path), tmp_path)
    scenes = scenes_in(tmp_path, leave_out=tmp_path / "maps")
    assert found(scenes, tmp_path) == ["a_vv.tif", "b_vv.tif"]
    scenes = scenes_matching(f"{tmp_path}/*", leave_out=tmp_path / "maps")
    assert found(scenes, tmp_path) == ["a_vv.tif", "b_vv.tif"]


def test_patterns(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "2023/a_VV.tif",
        "2023/a_VH.tif",
        "2023/b_VV.tif",
        "2023/b_VV.tif.aux.xml",
        "2024/deep/c_VV.tif",
        "2024/deep/c_angle.tif",
        "S1A_X.SAFE/manifest.safe",
        "S1A_X.SAFE/measurement/s-vv.tiff",
        "raw/d.dat",
    )

    def matching(pattern: str) -> list[str]:
        return found(scenes_matching(f"{tmp_path}/{pattern}"), tmp_path)

    assert matching("**/*_VV.tif") == ["2023/a_VV.tif", "2023/b_VV.tif", "2024/deep/c_VV.tif"]
    assert matching("2023/*_V?.tif") == ["2023/a_VV.tif 2023/a_VH.tif", "2023/b_VV.tif"]
    assert matching("20*/*") == ["2023/a_VV.tif 2023/a_VH.tif", "2023/b_VV.tif", "2024/deep"]
    assert matching("20*") == ["2023/a_VV.tif 2023/a_VH.tif", "2023/b_VV.tif", "2024/deep"]
    assert (
        matching("**")
        == matching("**/*")
        == [
            "2023/a_VV.tif 2023/a_VH.tif",
            "2023/b_VV.tif",
            "2024/deep",
            "S1A_X.SAFE",
        ]
    )
    assert matching("**/manifest.safe") == ["S1A_X.SAFE/manifest.safe"]
    assert matching("*.SAFE/*/*-vv.tiff") == ["S1A_X.SAFE/measurement/s-vv.tiff"]
    assert matching("raw/*") == ["raw/d.dat"]
    with pytest.raises(InputError, match=r"Nothing matches .*/2025\*"):
        scenes_matching(f"{tmp_path}/2025*")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "ab", "s1_2020"]), st.sampled_from(["vv", "vh", "HH", "hv"])
        ),
        min_size=2,
        unique=True,
    )
)
def test_every_file_is_in_the_scene_of_its_product(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("scenes")
    touch(folder, "other.tif", "another.tif", *(f"{name}_{pol}.tif" for name, pol in files))
    scenes = scenes_matching(f"{folder}/*.tif")
    assert {frozenset(Path(file).name for file in scene) for scene in scenes} == {
        frozenset({"other.tif"}),
        frozenset({"another.tif"}),
        *(
            frozenset(f"{name}_{pol}.tif" for name, pol in files if name == product)
            for product, _ in files
        ),
    }
    assert scenes == sorted(scenes)
