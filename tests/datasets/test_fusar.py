import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sarseg.datasets.fusar import FUSAR_1, FUSAR_2, RELEASES, FusarRelease, FusarSource
from sarseg.datasets.source import open_dataset
from sarseg.errors import DatasetError, UsageError
from tests.fusar_folders import (
    picture,
    striped_ids,
    write_image,
    write_labels,
    write_learnable_release,
    write_release,
)

SIZE = 1024


@pytest.fixture(scope="module")
def ramp() -> np.ndarray:
    return np.arange(SIZE * SIZE, dtype=np.uint16).reshape(1, SIZE, SIZE) % 4096


@pytest.mark.parametrize(
    ("release", "colour_table"),
    [(FUSAR_1, False), (FUSAR_1, True), (FUSAR_2, False)],
    ids=["fusar", "fusar-table", "fusar2"],
)
def test_reads_the_published_layout(
    tmp_path: Path, release: FusarRelease, colour_table: bool, ramp: np.ndarray
) -> None:
    ids = write_release(tmp_path, release, ramp, train=2, colour_table=colour_table)
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

    assert source.division == (
        "validation: the last 2 of 20 training tiles in the order of their names"
    )


def test_validation_is_of_whole_scenes_where_names_tell_them(tmp_path: Path) -> None:
    write_learnable_release(tmp_path, FUSAR_2, size=8, train=20, test=4, tiles_of_scene=4)
    source = FusarSource.open(FUSAR_2, tmp_path)
    names = {split: [ref.name for ref in refs] for split, refs in source.splits.items()}
    assert [len(names[split]) for split in ("train", "validation", "test")] == [16, 4, 4]
    assert {name[:13] for name in names["validation"]} == {"train/sceneE_"}
    assert not any("sceneE" in name for name in names["train"])
    assert all(name.startswith("test/sceneF") for name in names["test"])
    assert source.division == "validation: all of the scene sceneE, 4 of 20 training tiles"
    assert source.scenes == ()


def test_digest_tells_the_division_and_not_the_place(tmp_path: Path) -> None:
    for folder, train in (("a", 4), ("b", 4), ("c", 5)):
        write_release(tmp_path / folder, FUSAR_1, SMALL, train=train)
    a, b, c = (FusarSource.open(FUSAR_1, tmp_path / folder).digest() for folder in "abc")
    assert a == b != c
    # The same tiles, divided otherwise.
    source = FusarSource.open(FUSAR_1, tmp_path / "a")
    train, validation = source.splits["train"], source.splits["validation"]
    moved = {**source.splits, "train": train[1:], "validation": [train[0], *validation]}
    assert replace(source, splits=moved).digest() != a


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


@pytest.mark.parametrize("colour_table", [False, True])
def test_reads_png(tmp_path: Path, colour_table: bool) -> None:
    ids = striped_ids(FUSAR_1, 8)
    for part in ("train", "test"):
        write_image(tmp_path / "SAR" / part / "1.png", SMALL)
        write_labels(tmp_path / "LAB" / part / "1.png", FUSAR_1, ids, colour_table=colour_table)
    source = FusarSource.open(FUSAR_1, tmp_path)
    np.testing.assert_array_equal(source.read(source.splits["train"][0]).labels, ids)


def test_pairs_by_name_where_the_names_say_so(tmp_path: Path) -> None:
    # By their order alone, x_SAR_2 would come first and be given the labels of tile 1.
    rgb = picture(FUSAR_1, striped_ids(FUSAR_1, 8))
    for part in ("train", "test"):
        for image, label in (("x_sar_1", "x_Label_1"), ("x_SAR_2", "x_Label_2")):
            write_image(tmp_path / "SAR" / part / f"{image}.tif", SMALL)
            write_image(tmp_path / "LAB" / part / f"{label}.tif", rgb)
    for ref in FusarSource.open(FUSAR_1, tmp_path).splits["test"]:
        assert ref.labels is not None
        assert ref.image.stem[-1] == ref.labels.stem[-1]


def test_pairs_other_names_by_their_order(tmp_path: Path) -> None:
    rgb = picture(FUSAR_1, striped_ids(FUSAR_1, 8))
    for part in ("train", "test"):
        for i in range(2):
            write_image(tmp_path / "SAR" / part / f"tile{i}.tif", SMALL)
            write_image(tmp_path / "LAB" / part / f"truth{i}.tif", rgb)
    refs = FusarSource.open(FUSAR_1, tmp_path).splits["test"]
    assert [(r.image.stem, r.labels and r.labels.stem) for r in refs] == [
        ("tile0", "truth0"),
        ("tile1", "truth1"),
    ]


def test_lists_all_that_is_wrong(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, SMALL, train=5, test=2)
    labels = tmp_path / "LAB" / "train"
    (labels / "FUSAR_01_Label.tif").rename(labels / "FUSAR_77_Label.tif")
    (labels / "FUSAR_02_Label.tif").unlink()
    (labels / "FUSAR_02_Label.bmp").touch()
    (labels / "FUSAR_03_Label.tif.aux.xml").touch()
    for path in (tmp_path / "SAR" / "test").iterdir():
        path.rename(path.with_suffix(".npy"))
    shutil.rmtree(tmp_path / "LAB" / "test")
    with pytest.raises(DatasetError) as caught:
        FusarSource.open(FUSAR_1, tmp_path)
    message = str(caught.value)
    for told in (
        "2 images without labels of the same name: FUSAR_01_SAR.tif, FUSAR_02_SAR.tif",
        "1 label without an image of the same name: FUSAR_77_Label.tif",
        "SAR/test holds no image",
        "SAR/test holds 2 files of a type that is not read here: FUSAR_00_SAR.npy, FUSAR_01",
        "LAB/train holds 1 file of a type that is not read here: FUSAR_02_Label.bmp",
        "there is no folder LAB/test",
        "Expected layout",
    ):
        assert told in message


def test_names_of_many_tiles_are_cut_short(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, SMALL, train=15)
    for path in sorted((tmp_path / "LAB" / "train").iterdir())[1:]:
        path.unlink()
    with pytest.raises(DatasetError, match=r"14 images .*FUSAR_10_SAR.tif and 4 more"):
        FusarSource.open(FUSAR_1, tmp_path)


def test_one_renamed_tile_does_not_shift_the_others(tmp_path: Path) -> None:
    # No word for the layer, as many labels as images: by their order all would pair wrongly.
    write_release(tmp_path, FUSAR_1, SMALL, train=4, name=lambda _, i: f"{i}.tif")
    (tmp_path / "LAB" / "train" / "0.tif").rename(tmp_path / "LAB" / "train" / "9.tif")
    with pytest.raises(DatasetError, match=r"1 image without labels of the same name: 0.tif"):
        FusarSource.open(FUSAR_1, tmp_path)


def test_counts_what_does_not_pair_up(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, SMALL, name=lambda layer, i: f"{i}{layer}x.tif")
    (tmp_path / "LAB" / "train" / "1Labelx.tif").unlink()
    with pytest.raises(DatasetError, match="train: 3 SAR images, but 2 labels"):
        FusarSource.open(FUSAR_1, tmp_path)


@pytest.mark.parametrize("colour_table", [False, True])
def test_unknown_colours_are_counted_and_named(tmp_path: Path, colour_table: bool) -> None:
    write_release(tmp_path, FUSAR_1, SMALL)
    path = tmp_path / "LAB" / "test" / "FUSAR_00_Label.tif"
    ids = striped_ids(FUSAR_1, 8)
    ids[2, 5], ids[3, :3] = 5, 6
    table = dict(enumerate([*(c.colour for c in FUSAR_1.classes), (1, 2, 3), (4, 5, 6)]))
    if colour_table:
        write_image(path, ids[None], table)
    else:
        write_image(path, np.moveaxis(np.array(list(table.values()), np.uint8)[ids], -1, 0))
    source = FusarSource.open(FUSAR_1, tmp_path)
    with pytest.raises(
        DatasetError,
        match=r"FUSAR_00_Label.tif has 2 colours in 4 pixels .* lacks: 4,5,6, 1,2,3; the first "
        r"pixel is 1,2,3 at row 2, column 5\.$",
    ):
        source.read(source.splits["test"][0])


def test_unknown_colour_of_the_other_release_says_so(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_2, SMALL)
    source = FusarSource.open(FUSAR_1, tmp_path)
    with pytest.raises(DatasetError, match="use --dataset fusar2"):
        source.read(source.splits["train"][0])


def test_labels_without_colours_are_refused(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, SMALL)
    write_image(tmp_path / "LAB" / "test" / "FUSAR_00_Label.tif", SMALL)
    source = FusarSource.open(FUSAR_1, tmp_path)
    with pytest.raises(DatasetError, match="1 bands of uint8 and no colour table"):
        source.read(source.splits["test"][0])


def test_tiles_of_several_sizes_are_all_listed(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, SMALL, test=2)
    write_image(tmp_path / "SAR" / "test" / "FUSAR_00_SAR.tif", SMALL[:, :4])
    write_image(tmp_path / "LAB" / "test" / "FUSAR_01_Label.tif", SMALL[:, :, :2])
    with pytest.raises(DatasetError) as caught:
        FusarSource.open(FUSAR_1, tmp_path)
    message = str(caught.value)
    assert "SAR/test/FUSAR_00_SAR.tif is 4 x 8 pixels, 1 band, but most images are 8 x 8" in message
    assert "LAB/test/FUSAR_00_Label.tif is 8 x 8 pixels, but its image" in message
    assert "LAB/test/FUSAR_01_Label.tif is 8 x 2 pixels, but its image" in message


def test_damaged_files_are_listed(tmp_path: Path) -> None:
    write_release(tmp_path, FUSAR_1, SMALL)
    (tmp_path / "SAR" / "train" / "FUSAR_00_SAR.tif").write_bytes(b"II*\0broken")
    (tmp_path / "LAB" / "train" / "FUSAR_02_Label.tif").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"(?s)FUSAR_00_SAR.*FUSAR_02_Label"):
        FusarSource.open(FUSAR_1, tmp_path)


@pytest.mark.parametrize("bands", [1, 3])
def test_pixels_that_are_no_numbers_are_invalid(tmp_path: Path, bands: int) -> None:
    image = np.repeat(SMALL.astype(np.float32), bands, axis=0)
    image[:, 3, 4], image[:, 0, 0] = np.nan, np.inf
    write_release(tmp_path, FUSAR_1, image)
    source = FusarSource.open(FUSAR_1, tmp_path)
    chip = source.read(source.splits["train"][0])
    assert np.argwhere(~chip.valid).tolist() == [[0, 0], [3, 4]]
    assert chip.intensity.shape == (1, 8, 8)
    assert np.isfinite(chip.intensity).all()


def test_learnable_tiles_tell_their_classes_apart(tmp_path: Path) -> None:
    write_learnable_release(tmp_path, FUSAR_2, train=4, test=1, colour_table=True)
    source = FusarSource.open(FUSAR_2, tmp_path)
    chips = [source.read(ref) for refs in source.splits.values() for ref in refs]
    labels = np.stack([chip.labels for chip in chips])
    intensity = np.stack([chip.intensity[0] for chip in chips])
    means = [intensity[labels == index].mean() for index in range(10)]
    assert np.all(np.diff(np.log(means)) > 0.3)


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
        with pytest.raises(
            DatasetError, match=r"(?s)no folder LAB/train.*no folder SAR/test.*no folder LAB/test"
        ):
            open_dataset("fusar")

    def test_data_goes_with_published_datasets_only(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="--data"):
            open_dataset(str(tmp_path), tmp_path)


def image_folder(source: object) -> Path:
    assert isinstance(source, FusarSource)
    return source.splits["train"][0].image.parents[2]
