from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from sarseg.datasets.fusar import FUSAR_1, FUSAR_2, RELEASES, FusarRelease, FusarSource
from sarseg.datasets.source import open_dataset
from sarseg.errors import DatasetError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIZE = 1024


def write_image(path: Path, values: np.ndarray, driver: str = "GTiff") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    options = {"driver": driver, "count": count, "height": height, "width": width}
    if driver == "GTiff":
        options["compress"] = "deflate"
    with rasterio.open(path, "w", dtype=values.dtype, **options) as dataset:
        dataset.write(values)


def striped_labels(release: FusarRelease, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """RGB labels that hold every colour of the palette, and the class ids that they mean."""
    ids = np.broadcast_to(np.arange(size) % len(release.classes), (size, size)).astype(np.uint8)
    palette = np.array([entry.colour for entry in release.classes], np.uint8)
    return np.moveaxis(palette[ids], -1, 0), ids


@pytest.fixture(scope="module")
def ramp() -> np.ndarray:
    return np.arange(SIZE * SIZE, dtype=np.uint16).reshape(1, SIZE, SIZE) % 4096


def write_release(
    root: Path,
    release: FusarRelease,
    image: np.ndarray,
    *,
    train: int = 3,
    test: int = 1,
    name: Callable[[str, int], str] = lambda layer, i: f"FUSAR_{i:02d}_{layer}.tif",
) -> np.ndarray:
    """A release in its published layout; returns the class ids of every tile."""
    rgb, ids = striped_labels(release, image.shape[-1])
    for part, count in (("train", train), ("test", test)):
        for i in range(count):
            write_image(root / "SAR" / part / name("SAR", i), image)
            write_image(root / "LAB" / part / name("Label", i), rgb)
    return ids


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
def test_reads_the_published_layout(
    tmp_path: Path, release: FusarRelease, ramp: np.ndarray
) -> None:
    ids = write_release(tmp_path, release, ramp)
    source = open_dataset(release.name, tmp_path)
    assert source.tile_size == SIZE
    assert source.bands == ("SAR",)
    assert source.classes == release.classes
    assert [entry.id for entry in source.classes] == list(range(len(release.classes)))
    chip = source.read(source.splits["test"][0])
    assert chip.intensity.dtype == np.float32
    np.testing.assert_array_equal(chip.intensity, ramp.astype(np.float32) ** 2)
    np.testing.assert_array_equal(chip.labels, ids)
    assert chip.valid.all()


def test_has_one_published_weight_for_each_class() -> None:
    for release in RELEASES.values():
        assert len(release.published_weights) == len(release.classes)
    weights = dict(zip([c.name for c in FUSAR_1.classes], FUSAR_1.published_weights, strict=True))
    assert weights["background"] == 0.1
    weights = dict(zip([c.name for c in FUSAR_2.classes], FUSAR_2.published_weights, strict=True))
    assert weights["human built"] == 0.9


SMALL = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)


def test_validation_is_the_end_of_the_training_tiles_and_never_a_test_tile(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, SMALL, train=20, test=2)
    source = FusarSource.open(FUSAR_1, tmp_path)
    names = {split: [ref.name for ref in refs] for split, refs in source.splits.items()}
    assert len(names["train"]) == 18
    assert names["validation"] == ["train/FUSAR_18_SAR.tif", "train/FUSAR_19_SAR.tif"]
    assert names["test"] == ["test/FUSAR_00_SAR.tif", "test/FUSAR_01_SAR.tif"]


def test_digest_tells_the_membership_and_not_the_place(tmp_path: Path) -> None:
    for folder, train in (("a", 4), ("b", 4), ("c", 5)):
        write_release(tmp_path / folder, FUSAR_1, SMALL, train=train)
    a, b, c = (FusarSource.open(FUSAR_1, tmp_path / folder).digest() for folder in "abc")
    assert a == b != c


def test_takes_one_of_three_equal_bands(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, np.repeat(SMALL, 3, axis=0))
    source = FusarSource.open(FUSAR_1, tmp_path)
    chip = source.read(source.splits["train"][0])
    np.testing.assert_array_equal(chip.intensity, SMALL.astype(np.float32) ** 2)


def test_refuses_an_image_of_three_different_bands(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, np.concatenate([SMALL, SMALL, SMALL + 1]))
    source = FusarSource.open(FUSAR_1, tmp_path)
    with pytest.raises(DatasetError, match="three equal ones"):
        source.read(source.splits["train"][0])


def test_reads_png(tmp_path: Path) -> None:
    rgb, ids = striped_labels(FUSAR_1, 8)
    for part in ("train", "test"):
        write_image(tmp_path / "SAR" / part / "1.png", SMALL, "PNG")
        write_image(tmp_path / "LAB" / part / "1.png", rgb, "PNG")
    source = FusarSource.open(FUSAR_1, tmp_path)
    np.testing.assert_array_equal(source.read(source.splits["train"][0]).labels, ids)


def test_pairs_by_name_where_the_names_say_so(tmp_path: Path) -> None:
    # By their order alone, x_SAR_2 would come first and be given the labels of tile 1.
    rgb, _ = striped_labels(FUSAR_1, 8)
    for part in ("train", "test"):
        for image, label in (("x_sar_1", "x_Label_1"), ("x_SAR_2", "x_Label_2")):
            write_image(tmp_path / "SAR" / part / f"{image}.tif", SMALL)
            write_image(tmp_path / "LAB" / part / f"{label}.tif", rgb)
    for ref in FusarSource.open(FUSAR_1, tmp_path).splits["test"]:
        assert ref.labels is not None
        assert ref.image.stem[-1] == ref.labels.stem[-1]


def test_pairs_other_names_by_their_order(tmp_path: Path) -> None:
    rgb, _ = striped_labels(FUSAR_1, 8)
    for part in ("train", "test"):
        for i in range(2):
            write_image(tmp_path / "SAR" / part / f"tile{i}.tif", SMALL)
            write_image(tmp_path / "LAB" / part / f"truth{i}.tif", rgb)
    refs = FusarSource.open(FUSAR_1, tmp_path).splits["test"]
    assert [(r.image.stem, r.labels and r.labels.stem) for r in refs] == [
        ("tile0", "truth0"),
        ("tile1", "truth1"),
    ]


def test_names_the_image_without_partner(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, SMALL)
    label = tmp_path / "LAB" / "train" / "FUSAR_01_Label.tif"
    label.rename(label.with_name("FUSAR_77_Label.tif"))
    with pytest.raises(DatasetError, match=r"in train: .*FUSAR_(01|77)_.* has no partner"):
        FusarSource.open(FUSAR_1, tmp_path)


def test_counts_what_does_not_pair_up(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, SMALL, name=lambda layer, i: f"{i}{layer}x.tif")
    (tmp_path / "LAB" / "train" / "1Labelx.tif").unlink()
    with pytest.raises(DatasetError, match=r"holds 3 images, but .* holds 2 labels"):
        FusarSource.open(FUSAR_1, tmp_path)


def test_unknown_colour_names_file_colour_and_pixel(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, SMALL)
    rgb, _ = striped_labels(FUSAR_1, 8)
    rgb[:, 2, 5] = (1, 2, 3)
    write_image(tmp_path / "LAB" / "test" / "FUSAR_00_Label.tif", rgb)
    source = FusarSource.open(FUSAR_1, tmp_path)
    with pytest.raises(DatasetError, match=r"FUSAR_00_Label.tif .* 1,2,3 at row 2, column 5"):
        source.read(source.splits["test"][0])


def test_unknown_colour_of_the_other_release_says_so(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_2, SMALL)
    source = FusarSource.open(FUSAR_1, tmp_path)
    with pytest.raises(DatasetError, match="use --dataset fusar2"):
        source.read(source.splits["train"][0])


def test_tiles_of_several_sizes_are_refused(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, SMALL)
    write_image(tmp_path / "SAR" / "test" / "FUSAR_00_SAR.tif", SMALL[:, :4])
    source = FusarSource.open(FUSAR_1, tmp_path)
    with pytest.raises(DatasetError, match="4 x 8 pixels, but the first tile is 8 x 8"):
        source.read(source.splits["test"][0])


class TestFindingTheData:
    @pytest.fixture(autouse=True)
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.delenv("SARSEG_DATA", raising=False)
        monkeypatch.delenv("SARSEG_CACHE", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        return tmp_path / "cache" / "sarseg" / "fusar"

    def test_absent_shows_the_places_and_the_layout(
        self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SARSEG_DATA", str(tmp_path / "named"))
        with pytest.raises(DatasetError) as caught:
            open_dataset("fusar")
        message = str(caught.value)
        for place in (tmp_path / "named", tmp_path / "named" / "FUSAR-Map", cache):
            assert str(place) in message
        for part in ("SAR/", "LAB/", "train/", "test/", "--data", "SARSEG_DATA"):
            assert part in message

    def test_data_comes_before_the_variable_and_that_before_the_cache(
        self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given, named = tmp_path / "given", tmp_path / "named"
        write_release(cache, FUSAR_1, SMALL)
        assert image_folder(open_dataset("fusar")) == cache
        write_release(named / "FUSAR-Map", FUSAR_1, SMALL)
        monkeypatch.setenv("SARSEG_DATA", str(named))
        assert image_folder(open_dataset("fusar")) == named / "FUSAR-Map"
        write_release(given, FUSAR_1, SMALL)
        assert image_folder(open_dataset("fusar", given)) == given

    def test_the_variable_may_name_the_release_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_release(tmp_path / "any", FUSAR_1, SMALL)
        monkeypatch.setenv("SARSEG_DATA", str(tmp_path / "any"))
        assert image_folder(open_dataset("fusar")) == tmp_path / "any"

    def test_data_that_the_user_names_is_never_replaced_by_other_data(
        self, tmp_path: Path, cache: Path
    ) -> None:
        write_release(cache, FUSAR_1, SMALL)
        with pytest.raises(DatasetError, match="not found"):
            open_dataset("fusar", tmp_path / "elsewhere")

    def test_incomplete_layout_names_the_missing_folder(self, cache: Path) -> None:
        (cache / "SAR" / "train").mkdir(parents=True)
        with pytest.raises(DatasetError, match=r"no folder .*LAB.train"):
            open_dataset("fusar")

    def test_data_goes_with_published_datasets_only(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="--data"):
            open_dataset(str(tmp_path), tmp_path)


def image_folder(source: object) -> Path:
    assert isinstance(source, FusarSource)
    return source.splits["train"][0].image.parents[2]
