"""The simulator: its speckle obeys theory, its scenes keep what the interface promises."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy import ndimage, stats

from sarseg.datasets.synthetic import (
    CLASSES,
    FIRST_TRAINING_SEED,
    HELDOUT_SEED,
    SAMPLE_SEED,
    SimulatedScene,
    simulate,
    write_sample_data,
    write_scene,
)
from sarseg.datasets.synthetic.backscatter import SIGMA0_DB, body_levels_db
from sarseg.datasets.synthetic.legend import ROAD, WOODLAND
from sarseg.datasets.synthetic.noise import smooth_field
from sarseg.datasets.synthetic.speckle import (
    PointScatterers,
    PointSpread,
    form_image,
    look_weights,
)
from sarseg.datasets.synthetic.texture import canopy_relief, lognormal

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def homogeneous(looks: float, seed: int = 0, size: int = 512) -> np.ndarray:
    return form_image(np.ones((size, size), np.float32), looks, rng(seed))


@pytest.fixture(scope="module")
def scene() -> SimulatedScene:
    return simulate(7, 1024, 1024)


# Speckle


def test_single_look_intensity_is_exponential() -> None:
    # Every fourth pixel: neighbours are correlated, the test wants independent samples.
    sample = homogeneous(1)[::4, ::4].ravel()
    assert stats.kstest(sample, "expon").pvalue > 0.01


@pytest.mark.parametrize("looks", [1, 3, 4, 2.6])
def test_equivalent_number_of_looks(looks: float) -> None:
    image = homogeneous(looks).astype(np.float64)
    assert image.mean() == pytest.approx(1.0, rel=0.01)
    assert image.mean() ** 2 / image.var() == pytest.approx(looks, rel=0.05)


def test_multilook_intensity_is_gamma() -> None:
    sample = homogeneous(4)[::4, ::4].ravel()
    assert stats.kstest(sample, stats.gamma(4, scale=0.25).cdf).pvalue > 0.01


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("lag", [1, 2, 3])
def test_speckle_correlation_is_that_of_the_point_spread(axis: int, lag: int) -> None:
    image = np.moveaxis(homogeneous(1, size=768), axis, 0)
    measured = np.corrcoef(image[:-lag].ravel(), image[lag:].ravel())[0, 1]
    assert measured == pytest.approx(PointSpread().speckle_correlation(lag), abs=0.015)
    assert PointSpread().speckle_correlation(1) > 0.1


@pytest.mark.parametrize("looks", [1, 2, 2.6, 4, 4.9])
def test_look_weights(looks: float) -> None:
    weights = look_weights(looks)
    assert weights.sum() == pytest.approx(1.0)
    assert 1.0 / np.sum(weights**2) == pytest.approx(looks)
    assert (weights > 0).all()


def test_fewer_than_one_look_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        look_weights(0.5)


def test_point_scatterer_keeps_its_place_and_has_side_lobes() -> None:
    point = PointScatterers(np.array([3]), np.array([40]), np.array([1e6], np.float32))
    image = form_image(np.full((64, 64), 1e-6, np.float32), 2, rng(), scatterers=point)
    assert np.unravel_index(image.argmax(), image.shape) == (3, 40)
    assert 0.0 < image[3, 43] < 0.1 * image[3, 40]
    # It does not wrap round to the opposite border.
    assert image[-8:].max() < 1e-4 * image[3, 40]


def test_reflectivity_is_modulated_before_the_point_spread() -> None:
    step = np.full((256, 256), 1e-3, np.float32)
    step[:, 128:] = 1.0
    profile = form_image(step, 16, rng()).mean(axis=0)
    # The mean intensity is sigma0 convolved with the power of the point spread function.
    response = np.fft.fftshift(np.abs(np.fft.ifft(PointSpread().transfer(257))) ** 2)
    expected = ndimage.convolve1d(step[0], response / response.sum(), mode="nearest")
    np.testing.assert_allclose(profile[110:140], expected[110:140], rtol=0.15)


# Backscatter and texture


@pytest.mark.parametrize("polarisation", ["VV", "HH", "VH", "HV"])
@pytest.mark.parametrize("entry", CLASSES, ids=lambda entry: entry.name)
def test_levels_follow_the_table(polarisation: str, entry) -> None:  # type: ignore[no-untyped-def]
    levels = body_levels_db(np.full(4000, entry.id, np.uint8), rng(entry.id))
    assert levels[polarisation].mean() == pytest.approx(SIGMA0_DB[polarisation][entry.id], abs=0.15)


def test_class_means_of_scenes_are_near_the_table() -> None:
    scenes = [simulate(seed, 1024, 1024, border=False) for seed in (11, 12, 13)]
    for polarisation, entry in itertools.product(("VV", "VH"), CLASSES):
        # Roads are narrower than layover and shadow beside them reach.
        tolerance = 3.0 if entry.id == ROAD else 2.0
        inner = [
            scene.bands[polarisation][ndimage.binary_erosion(scene.labels == entry.id)]
            for scene in scenes
        ]
        mean_db = 10 * np.log10(np.concatenate(inner).mean())
        expected = 10 ** (SIGMA0_DB[polarisation][entry.id] / 10) + 10**-2.7
        assert mean_db == pytest.approx(10 * np.log10(expected), abs=tolerance), entry.name


def test_smooth_field_has_unit_variance_and_the_scale_asked() -> None:
    field = smooth_field((700, 900), 5.0, rng())
    assert field.shape == (700, 900)
    assert field.std() == pytest.approx(1.0, abs=0.05)
    # The autocorrelation of a Gaussian kernel of deviation s is exp(-lag^2 / 4 s^2).
    assert np.mean(field[10:] * field[:-10]) == pytest.approx(np.exp(-1.0), abs=0.05)


def test_lognormal_texture_has_mean_one() -> None:
    assert lognormal(smooth_field((800, 800), 1.8, rng()), 0.85).mean() == pytest.approx(
        1, abs=0.03
    )


def test_canopy_leans_towards_the_sensor_and_shades_away_from_it() -> None:
    labels = np.zeros((1, 40), np.uint8)
    labels[0, 15:25] = WOODLAND
    leaning, shadow = canopy_relief(labels)
    assert leaning[0].nonzero()[0].tolist() == [10, 11, 12, 13, 14]
    assert shadow[0].nonzero()[0].tolist() == [25, 26, 27, 28]


# Scenes


def test_same_seed_same_scene(scene: SimulatedScene) -> None:
    again = simulate(7, 1024, 1024)
    np.testing.assert_array_equal(again.labels, scene.labels)
    for polarisation, band in scene.bands.items():
        np.testing.assert_array_equal(again.bands[polarisation], band)
    assert (simulate(8, 1024, 1024).labels != scene.labels).any()


def test_a_polarisation_does_not_depend_on_the_others_asked() -> None:
    alone = simulate(3, 256, 320, polarisations=("VH",)).bands["VH"]
    np.testing.assert_array_equal(alone, simulate(3, 256, 320).bands["VH"])


@pytest.mark.parametrize("seed", [SAMPLE_SEED, HELDOUT_SEED, 7, FIRST_TRAINING_SEED])
def test_every_class_has_its_share(seed: int) -> None:
    labels = simulate(seed, 1024, 1024, polarisations=()).labels
    share = np.bincount(labels.ravel(), minlength=7) / labels.size
    assert len(share) == 7
    assert (share[1:] >= 0.03).all(), share


def test_border_is_nan_in_every_band_and_unlabelled(scene: SimulatedScene) -> None:
    assert 0.02 < (scene.labels == 0).mean() < 0.15
    for band in scene.bands.values():
        assert band.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(band), scene.labels == 0)
        assert np.nanmin(band) >= 0
    whole = simulate(7, 200, 300, border=False)
    assert whole.labels.all()
    assert np.isfinite(whole.bands["VV"]).all()


def test_roads_are_connected(scene: SimulatedScene) -> None:
    parts, _ = ndimage.label(scene.labels == ROAD, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    assert sizes.max() > 0.8 * sizes.sum()


def test_speckle_of_two_polarisations_is_independent() -> None:
    scene = simulate(5, 512, 512, looks=1, border=False)
    residual = [
        np.log(band) - ndimage.uniform_filter(np.log(band), 5) for band in scene.bands.values()
    ]
    inner = scene.labels == 1
    # Over water there is no fine texture that the two could share.
    assert abs(np.corrcoef(residual[0][inner], residual[1][inner])[0, 1]) < 0.05


def test_unknown_polarisation_is_refused() -> None:
    with pytest.raises(ValueError, match="XX"):
        simulate(1, 64, 64, polarisations=("XX",))


# Files


@pytest.mark.parametrize("unit", ["intensity", "amplitude", "db"])
def test_files_read_back(tmp_path: Path, unit: str) -> None:
    scene = simulate(4, 300, 410, polarisations=("HH", "HV"))
    image_path, truth_path = tmp_path / "a.tif", tmp_path / "b.tif"
    write_scene(scene, image_path, truth_path, unit=unit)  # type: ignore[arg-type]
    with rasterio.open(image_path) as image:
        assert image.descriptions == ("HH", "HV")
        assert image.tags()["SARSEG_UNIT"] == unit
        assert image.crs == scene.crs
        assert image.transform == scene.transform
        assert np.isnan(image.nodata)
        assert image.profile["tiled"]
        value = image.read(1).astype(np.float64)
    linear = {"intensity": value, "amplitude": value**2, "db": 10 ** (value / 10)}[unit]
    np.testing.assert_allclose(linear, scene.bands["HH"], rtol=1e-4, atol=1.1e-6)
    with rasterio.open(truth_path) as truth:
        np.testing.assert_array_equal(truth.read(1), scene.labels)
        assert truth.nodata == 0
        assert truth.tags(1)["CLASS_1"] == "water"
        assert truth.colormap(1)[1] == (*CLASSES[0].colour, 255)


def test_sample_data_regenerates_to_the_same_bytes(tmp_path: Path) -> None:
    written = write_sample_data(tmp_path)
    assert sum(path.stat().st_size for path in written) <= 14e6
    for path in written:
        kept = hashlib.sha256((SAMPLE_DATA / path.name).read_bytes()).hexdigest()
        assert hashlib.sha256(path.read_bytes()).hexdigest() == kept, path.name


def test_training_seeds_are_not_those_of_the_samples() -> None:
    assert max(SAMPLE_SEED, HELDOUT_SEED) < FIRST_TRAINING_SEED
