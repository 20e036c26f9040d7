from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sarseg.datasets.synthetic.scene import simulate
from sarseg.datasets.synthetic.speckle import form_image
from sarseg.errors import InputError
from sarseg.filters.looks import estimate_looks, scene_looks
from sarseg.scenes.reader import Scene
from tests.rasters import write_raster

LOOKS = [1.0, 2.7, 4.4, 10.0, 36.0]

Window = tuple[NDArray[np.float32], NDArray[np.bool_]]


def whole(values: NDArray[np.float64] | NDArray[np.float32]) -> list[Window]:
    return [(values.astype(np.float32), np.ones(values.shape, bool))]


def homogeneous(looks: float, size: int = 300, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).gamma(looks, 0.1 / looks, (size, size))


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("seed", range(5))
def test_of_a_homogeneous_scene(looks: float, seed: int) -> None:
    found = estimate_looks(whole(homogeneous(looks, seed=seed)))
    assert found == pytest.approx(looks, rel=0.1)


@pytest.mark.parametrize("looks", LOOKS)
def test_of_fields_with_texture_edges_and_points(looks: float) -> None:
    rng = np.random.default_rng(1)
    cell = np.ones((40, 40))
    levels = np.kron(10.0 ** -rng.uniform(0.0, 2.0, (12, 12)), cell)
    rough = np.kron(rng.random((12, 12)) < 0.6, cell) > 0
    texture = np.kron(rng.gamma(4.0, 0.25, (160, 160)), np.ones((3, 3)))
    scene = np.where(rough, levels * texture, levels)
    scene[tuple(rng.integers(0, 480, (2, 200)))] *= 1000.0
    found = estimate_looks(whole(scene * rng.gamma(looks, 1.0 / looks, scene.shape)))
    assert found == pytest.approx(looks, rel=0.15)


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("seed", [31, 32])
def test_of_a_simulated_scene_most_of_which_is_textured(looks: float, seed: int) -> None:
    scene = simulate(seed, 600, 800, looks=looks)
    for values in scene.bands.values():
        found = estimate_looks([(values, np.isfinite(values))])
        assert found == pytest.approx(looks, rel=0.25)


@pytest.mark.parametrize("looks", [1.0, 4.4, 10.0])
def test_of_speckle_that_is_correlated_between_neighbours(looks: float) -> None:
    level = np.full((400, 400), 0.1, np.float32)
    found = estimate_looks(whole(form_image(level, looks, np.random.default_rng(2))))
    assert found == pytest.approx(1.07 * looks, rel=0.1)


def test_does_not_depend_on_calibration() -> None:
    values = homogeneous(4.4)
    assert estimate_looks(whole(values * 1e7)) == pytest.approx(estimate_looks(whole(values)))


def test_windows_are_pooled() -> None:
    """Half of the windows are rough: that they are there does not lower the estimate."""
    windows = [window for seed in range(10) for window in whole(homogeneous(4.4, 60, seed))]
    windows += [window for seed in range(10) for window in whole(homogeneous(0.5, 60, seed))]
    assert estimate_looks(windows) == pytest.approx(4.4, rel=0.15)


@pytest.mark.parametrize("size", [13, 20, 40])
def test_a_small_scene_gives_a_rough_estimate(size: int) -> None:
    found = estimate_looks(whole(homogeneous(4.4, size)))
    assert found == pytest.approx(4.4, rel=0.5)


def test_boxes_with_invalid_pixels_do_not_count() -> None:
    values, valid = homogeneous(10.0), np.ones((300, 300), bool)
    valid[:, 150:] = False
    spoilt = values.copy()
    spoilt[:, 150:] = np.nan
    found = estimate_looks([(spoilt.astype(np.float32), valid)])
    assert found == estimate_looks(whole(values[:, :150]))


def test_constant_boxes_do_not_count() -> None:
    values = homogeneous(10.0)
    found = estimate_looks(whole(values))
    values[:200] = 0.0
    assert estimate_looks([*whole(values[:200]), *whole(values[200:])]) == pytest.approx(
        found, rel=0.1
    )


@pytest.mark.parametrize(
    "windows",
    [
        [],
        whole(np.zeros((50, 50))),
        whole(np.full((50, 50), 0.1)),
        whole(homogeneous(1.0, 12)),
        whole(homogeneous(1.0, 40)[:, :5]),
        whole(np.empty((0, 0))),
        [(homogeneous(1.0, 40).astype(np.float32), np.zeros((40, 40), bool))],
    ],
    ids=["nothing", "zeros", "constant", "small", "narrow", "empty", "invalid"],
)
def test_nothing_usable_gives_none(windows: list[Window]) -> None:
    assert estimate_looks(windows) is None


def test_numbers_that_vary_more_than_speckle_are_not_believed(tmp_path: Path) -> None:
    wild = np.exp(np.random.default_rng(0).normal(0, 3, (200, 200))).astype(np.float32)
    path = write_raster(tmp_path / "vv.tif", wild, tags={"SARSEG_UNIT": "intensity"})
    with Scene.open([path]) as scene, pytest.raises(InputError, match="more than the speckle"):
        scene_looks(scene)


def test_looks_of_a_scene_are_the_median_of_its_bands(tmp_path: Path) -> None:
    bands = [np.random.default_rng(0).gamma(looks, 1 / looks, (400, 400)) for looks in (3, 4, 9)]
    path = write_raster(
        tmp_path / "s.tif",
        np.sqrt(np.stack(bands)).astype(np.float32),
        tags={"SARSEG_UNIT": "amplitude"},
    )
    with Scene.open([path]) as scene:
        assert scene_looks(scene) == pytest.approx(4, rel=0.15)


def test_a_scene_without_data_has_no_looks(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", np.zeros((99, 99), np.float32))
    with Scene.open([path]) as scene, pytest.raises(InputError, match="no valid pixel"):
        scene_looks(scene)
