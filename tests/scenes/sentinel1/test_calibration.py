from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.scenes.georeference import quietly_georeferenced
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.sentinel1 import find, open_product
from sarseg.scenes.sentinel1.calibration import CalibratedBand
from sarseg.scenes.unit import Calibration
from sarseg.scenes.window import Window
from tests.scenes.sentinel1.safe import (
    BETA,
    BLOCKS,
    GAMMA,
    GRD,
    HEIGHT,
    NOISE,
    SIGMA,
    WIDTH,
    Block,
    Safe,
    Vector,
    counts,
)

IMAGE = Window(0, 0, HEIGHT, WIDTH)


def read(path: Path, reading: Reading | None = None) -> tuple[np.ndarray, np.ndarray]:
    with Scene.open([path], reading or Reading()) as scene:
        window = Window(0, 0, scene.height, scene.width)
        return scene.read(window, range(len(scene.bands)))


def between(positions: Sequence[float], values: Sequence[float], at: float) -> float:
    """Linear interpolation, one number at a time."""
    if at <= positions[0]:
        return values[0]
    for left, right, low, high in zip(positions, positions[1:], values, values[1:], strict=False):
        if left <= at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return values[-1]


def looked_up(vectors: Sequence[Vector], row: int, col: int) -> float:
    along = [between(vector.pixels, vector.values, col) for vector in vectors]
    return between([vector.line for vector in vectors], along, row)


def factor(blocks: Sequence[Block], row: int, col: int) -> float:
    for block in blocks:
        rows, cols = (block.first_line, block.last_line), (block.first_sample, block.last_sample)
        if rows[0] <= row <= rows[1] and cols[0] <= col <= cols[1]:
            return between(block.lines, block.factors, row)
    return 1.0


def calibrated(
    dn: np.ndarray, gains: Sequence[Vector], noise: Sequence[Vector], blocks: Sequence[Block]
) -> np.ndarray:
    """Backscatter pixel by pixel, as ESA's notes tell it."""
    result = np.empty(dn.shape)
    for row, col in np.ndindex(dn.shape):
        of_noise = looked_up(noise, row, col) * factor(blocks, row, col) if noise else 0.0
        power = max(abs(dn[row, col].item()) ** 2 - of_noise, 0.01 * of_noise, 0.25)
        result[row, col] = power / looked_up(gains, row, col) ** 2
    return result


def test_backscatter_by_hand(tmp_path: Path) -> None:
    dn = np.full((11, 11), 45, np.uint16)
    dn[5, 4] = 0
    gains = [Vector(0, (0, 10), (100, 200)), Vector(10, (0, 5, 10), (300, 300, 400))]
    # values of the other tables belong to the same pixels
    tables = {
        "sigmaNought": gains,
        "betaNought": [v._replace(values=[50] * len(v.pixels)) for v in gains],
        "gamma": [v._replace(values=[90] * len(v.pixels)) for v in gains],
    }
    noise = [Vector(0, (0, 10), (400, 600)), Vector(10, (0, 10), (400, 600))]
    blocks = [Block("IW1", 0, 0, 10, 8, (0, 10), (1.0, 2.0))]
    safe = Safe({"VV": dn}, tables=tables, noise=noise, blocks=blocks).write(tmp_path)
    sigma0 = read(safe)[0][0]
    # A = (150 + 300) / 2; noise = 500 * 1.5
    assert sigma0[5, 5] == pytest.approx((2025 - 750) / 225**2)
    # A = (190 + 380) / 2; outside the block
    assert sigma0[5, 9] == pytest.approx((2025 - 580) / 285**2)
    # noise of 480 * 1.5 = 720 outweighs 0: a hundredth of it is left; A = (140 + 300) / 2
    assert sigma0[5, 4] == pytest.approx(7.2 / 220**2)
    assert read(safe, Reading(calibration="beta0"))[0][0, 5, 5] == pytest.approx(1275 / 2500)
    assert read(safe, Reading(calibration="gamma0"))[0][0, 5, 5] == pytest.approx(1275 / 8100)


@pytest.mark.parametrize(
    ("calibration", "gains"), [("sigma0", SIGMA), ("beta0", BETA), ("gamma0", GAMMA)]
)
@pytest.mark.parametrize("blocks", [BLOCKS, None], ids=["IPF 2.90", "before"])
def test_backscatter_pixel_by_pixel(
    tmp_path: Path,
    calibration: Calibration,
    gains: Sequence[Vector],
    blocks: Sequence[Block] | None,
) -> None:
    images = {"VV": counts(), "VH": counts(seed=1)}
    safe = Safe(images, blocks=blocks).write(tmp_path)
    values, valid = read(safe, Reading(calibration=calibration))
    for found, dn in zip(values, images.values(), strict=True):
        expected = calibrated(dn, gains, NOISE, blocks or ())
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert valid.all()


def test_floored_pixels_are_dark_and_have_decibels(tmp_path: Path) -> None:
    dn = counts()
    values, valid = read(Safe({"VV": dn}).write(tmp_path))
    zeros, dark = dn == 0, dn < 20
    assert zeros.any()
    assert valid[zeros].all()
    assert (values[0][zeros] > 0).all()
    assert values[0][dark].max() < values[0][~dark & (dn > 45)].min()
    assert 10 * np.log10(values[0][zeros]).min() > -60


def test_without_noise_half_a_dn_is_left_of_nothing(tmp_path: Path) -> None:
    dn = counts()
    values, valid = read(Safe({"VV": dn}, noise_removed=True).write(tmp_path))
    np.testing.assert_allclose(values[0], calibrated(dn, SIGMA, (), ()), rtol=1e-6)
    assert values[0, 11, 21] == pytest.approx(0.25 / looked_up(SIGMA, 11, 21) ** 2)
    assert valid.all()


def doubts(path: Path) -> list[str | None]:
    product = find(str(path))
    assert product is not None
    with ExitStack() as closing:
        opened = open_product(product, Reading(), closing)
        return [band.doubt for *_, (band,) in opened if isinstance(band, CalibratedBand)]


@pytest.mark.parametrize("value", [0.0, 2e-5])
def test_noise_in_other_units_is_left_and_told(tmp_path: Path, value: float) -> None:
    dn = counts()
    noise = [Vector(0, (0, 119), (value, value))]
    safe = Safe({"VV": dn}, noise=noise, blocks=None).write(tmp_path)
    np.testing.assert_allclose(read(safe)[0][0], calibrated(dn, SIGMA, (), ()), rtol=1e-6)
    (doubt,) = doubts(safe)
    assert "noise of VV is not subtracted" in str(doubt)


def test_there_is_no_doubt_where_noise_is_subtracted(tmp_path: Path) -> None:
    (tmp_path / "removed").mkdir()
    for safe in (
        Safe({"VV": counts()}).write(tmp_path),
        Safe({"VV": counts()}, noise_removed=True).write(tmp_path / "removed"),
    ):
        assert doubts(safe) == [None]


def test_zeros_round_the_image_are_invalid(tmp_path: Path) -> None:
    dn = counts()
    dn[7], dn[:, 109] = 30, 30
    dn[:7], dn[:, 110:] = 0, 0
    values, valid = read(Safe({"VV": dn}).write(tmp_path))
    expected = np.ones(dn.shape, bool)
    expected[:7], expected[:, 110:] = False, False
    np.testing.assert_array_equal(valid, expected)
    assert np.isfinite(values).all()


def test_nodata_that_the_user_gives(tmp_path: Path) -> None:
    dn = counts()
    _, valid = read(Safe({"VV": dn}).write(tmp_path), Reading(nodata=0))
    np.testing.assert_array_equal(valid, dn != 0)


@pytest.mark.parametrize("dtype", ["complex_int16", "complex64"])
def test_stripmap_single_look_complex(tmp_path: Path, dtype: str) -> None:
    real, imaginary = np.random.default_rng(3).normal(0, 60, (2, HEIGHT, WIDTH)).round()
    dn = (real + 1j * imaginary).astype(np.complex64)
    blocks = [Block("S3", 0, 0, HEIGHT - 1, WIDTH - 1, (0, 40, 79), (1.0, 1.1, 0.9))]
    safe = Safe(
        {"VV": dn, "VH": dn.conj()},
        name=GRD.replace("IW_GRDH", "S3_SLC_"),
        mode="SM",
        kind="SLC",
        swath="s3",
        blocks=blocks,
    ).write(tmp_path)
    for path in (safe / "measurement").iterdir():
        with rasterio.open(path) as dataset:
            image, profile = dataset.read(), {**dataset.profile, "dtype": dtype}
            profile.pop("transform")
        with quietly_georeferenced(), rasterio.open(path, "w", **profile) as dataset:
            dataset.write(image)
    values, valid = read(safe)
    expected = calibrated(dn, SIGMA, NOISE, blocks)
    # the amplitude has the seven digits of float32, of which subtraction takes some
    np.testing.assert_allclose(values[0], expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(values[1], values[0])
    assert valid.all()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = {"VV": counts(), "VH": counts(seed=1)}
    return Safe(images).write(tmp_path_factory.mktemp("product"))


@settings(deadline=None)
@given(
    st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.integers(1, 99), st.integers(1, 99)
)
def test_a_window_is_that_window_of_the_whole(
    product: Path, row: int, col: int, height: int, width: int
) -> None:
    window = Window(row, col, height, width).within(HEIGHT, WIDTH)
    with Scene.open([product]) as scene:
        values, valid = scene.read(IMAGE, [0, 1])
        part, part_valid = scene.read(window, [0, 1])
    rows, cols = window.slices_in(IMAGE)
    np.testing.assert_allclose(part, values[:, rows, cols], rtol=1e-6)
    np.testing.assert_array_equal(part_valid, valid[rows, cols])
