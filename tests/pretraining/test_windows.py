"""Windows to learn from never touch those to judge by."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from sarseg.errors import InputError
from sarseg.pretraining.windows import HELD_OUT, WindowSource
from sarseg.scenes.reading import DEFAULT
from tests.rasters import speckle, write_raster

SIZE = 48


def numbered(path: Path, height: int, width: int) -> Path:
    """A scene whose pixels are all different and can be told again, by their order."""
    ramp = np.geomspace(1e-4, 1.0, height * width, dtype=np.float32).reshape(height, width)
    return write_raster(path, ramp)


def seen(example_bands: np.ndarray) -> set[float]:
    return set(np.round(example_bands.ravel().astype(np.float64), 7).tolist())


@pytest.mark.parametrize(("height", "width"), [(150, 60), (60, 150), (96, 96)])
def test_held_out_windows_are_never_drawn(tmp_path: Path, height: int, width: int) -> None:
    scene = numbered(tmp_path / "s_vv.tif", height, width)
    for seed in range(3):
        with WindowSource.open([(str(scene),)], DEFAULT, SIZE, seed) as source:
            held = set().union(*(seen(each.bands) for each in source.held_out))
            assert held
            generator = np.random.default_rng(seed)
            drawn = set().union(*(seen(source.draw(generator).bands) for _ in range(40)))
        assert not held & drawn
        assert len(drawn) > SIZE**2


def test_scaling_and_intensity(tmp_path: Path) -> None:
    values = speckle(96, 200, mean=0.02)
    values[:, :10] = np.nan
    scene = write_raster(tmp_path / "s_vv.tif", values)
    with WindowSource.open([(str(scene),)], DEFAULT, SIZE, 0) as source:
        example = source.draw(np.random.default_rng(1))
    assert example.bands.shape == example.valid.shape == (1, SIZE, SIZE)
    assert np.abs(example.bands).max() <= 5
    assert abs(np.median(example.bands)) < 0.3
    assert np.median(example.intensity[example.valid]) == pytest.approx(1, rel=0.3)
    for each in (example.bands, example.intensity):
        assert (each[~example.valid] == 0).all()


def test_intensity_follows_from_bands_and_spread(tmp_path: Path) -> None:
    both = (
        str(write_raster(tmp_path / "a_vv.tif", speckle(100, 100))),
        str(write_raster(tmp_path / "a_vh.tif", speckle(100, 100, seed=1) ** 2)),
    )
    one = (str(write_raster(tmp_path / "b_hh.tif", speckle(100, 100))),)
    with WindowSource.open([both, one], DEFAULT, SIZE, 0) as source:
        drawn = [source.draw(np.random.default_rng(n)) for n in range(20)]
    assert {tuple((each.spread > 0).ravel()) for each in drawn} == {(1, 1, 0), (0, 0, 1)}
    for each in drawn:
        assert each.spread.shape == (3, 1, 1)
        expected = np.where(each.valid, 10 ** (each.bands * each.spread / 10), 0)
        np.testing.assert_allclose(each.intensity, expected, rtol=1e-5)
        if each.spread[0]:
            assert each.spread[1] == pytest.approx(2 * each.spread[0], rel=0.2)


def test_a_scene_is_taken_once(tmp_path: Path) -> None:
    """However it is spelled: two of it would learn from what the other holds out."""
    files = [write_raster(tmp_path / f"a_{band}.tif", speckle(100, 100)) for band in ("vv", "vh")]
    (tmp_path / "link_vv.tif").symlink_to(files[0])
    scenes = [
        tuple(map(str, files)),
        (str(tmp_path / ".." / tmp_path.name / "a_vv.tif"),),
        (str(tmp_path / "link_vv.tif"),),
        (str(write_raster(tmp_path / "b_vv.tif", speckle(100, 100))),),
    ]
    told: list[str] = []
    with WindowSource.open(scenes, DEFAULT, SIZE, 0, told.append) as source:
        assert [scene.name for scene in source.scenes] == ["a_vv.tif + a_vh.tif", "b_vv.tif"]
    twice = [sentence for sentence in told if "was named twice: taken once" in sentence]
    assert [sentence.split()[0] for sentence in twice] == ["a_vv.tif", "link_vv.tif"]


def test_two_rasters_of_a_zip_file_are_two_scenes(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "s.zip", "w") as archive:
        for name in ("a_vv.tif", "b_vv.tif"):
            archive.write(write_raster(tmp_path / name, speckle(100, 100)), name)
    inside = [(f"{tmp_path}/s.zip!/{name}_vv.tif",) for name in "aba"]
    with WindowSource.open(inside, DEFAULT, SIZE, 0) as source:
        assert len(source.scenes) == 2


def test_scenes_of_other_bands_share_a_source(tmp_path: Path) -> None:
    both = (
        str(write_raster(tmp_path / "a_vv.tif", speckle(100, 100))),
        str(write_raster(tmp_path / "a_vh.tif", speckle(100, 100, seed=1))),
    )
    one = (str(write_raster(tmp_path / "b_vh.tif", speckle(400, 100))),)
    with WindowSource.open([both, one], DEFAULT, SIZE, 0) as source:
        assert source.bands == ("VV", "VH")
        assert 1 < len(source.held_out) <= HELD_OUT
        generator = np.random.default_rng(0)
        drawn = [source.draw(generator) for _ in range(60)]
    alone = [not each.valid[0].any() for each in drawn]
    assert 0.6 < np.mean(alone) < 1  # by area: 400 of 500 rows
    assert all(
        (each.bands[0] == 0).all() for each, is_alone in zip(drawn, alone, strict=True) if is_alone
    )


def test_small_and_empty_scenes_are_left_out_and_told(tmp_path: Path) -> None:
    scenes = [
        (str(write_raster(tmp_path / "small_vv.tif", speckle(40, 200))),),
        (str(write_raster(tmp_path / "empty_vv.tif", np.full((99, 99), np.nan, np.float32))),),
        (str(write_raster(tmp_path / "good_vv.tif", speckle(99, 99))),),
    ]
    told: list[str] = []
    with WindowSource.open(scenes, DEFAULT, SIZE, 0, told.append) as source:
        assert [scene.name for scene in source.scenes] == ["good_vv.tif"]
    assert any("small_vv.tif has 40 x 200 pixels" in sentence for sentence in told)
    assert any("empty_vv.tif has no valid pixel" in sentence for sentence in told)
    with pytest.raises(InputError, match="No scene has room"):
        WindowSource.open(scenes[:2], DEFAULT, SIZE, 0)
