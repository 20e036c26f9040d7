import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from sarseg.classes import LandCoverClass
from sarseg.datasets.image_masks import ImageMaskFolder
from sarseg.datasets.source import ChipSource, is_dataset, open_dataset
from sarseg.errors import DatasetError, UsageError
from tests.fusar_folders import write_image
from tests.rasters import speckle, write_raster

SIZE = 16


def grey(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (1, SIZE, SIZE)).astype(np.uint8)


def halves(value: int = 1) -> np.ndarray:
    """A mask whose left half is the foreground."""
    mask = np.zeros((1, SIZE, SIZE), np.uint8)
    mask[..., : SIZE // 2] = value
    return mask


def write_pairs(
    folder: Path,
    count: int = 10,
    *,
    images: str = "images",
    masks: str = "masks",
    value: int = 1,
    image: np.ndarray | None = None,
) -> Path:
    for number in range(count):
        pixels = grey(number) if image is None else image
        write_image(folder / images / f"t{number:02d}.tif", pixels)
        write_image(folder / masks / f"t{number:02d}.png", halves(value))
    return folder


def first(source: ChipSource):  # type: ignore[no-untyped-def]
    return source.read(source.splits["train"][0])


def test_images_and_masks_side_by_side(tmp_path: Path) -> None:
    source = open_dataset(str(write_pairs(tmp_path / "ships")))
    assert isinstance(source, ImageMaskFolder)
    assert (source.name, source.bands, source.tile_size) == ("ships", ("SAR",), SIZE)
    assert [(c.id, c.name) for c in source.classes] == [(0, "background"), (1, "foreground")]
    assert {split: len(refs) for split, refs in source.splits.items()} == {
        "train": 9,
        "validation": 1,
    }
    assert source.splits["validation"][0].name == "images/t09.tif"
    assert source.division.startswith("validation: the last 1 of 10")
    assert (source.scenes, source.remarks) == ((), ())
    chip = first(source)
    np.testing.assert_array_equal(chip.intensity, grey().astype(np.float32) ** 2)
    np.testing.assert_array_equal(chip.labels, halves()[0])
    assert chip.labels.dtype == np.uint8
    assert chip.valid.all()


@pytest.mark.parametrize("validation", ["validation", "val", "Valid"])
@pytest.mark.parametrize(("images", "masks"), [("image", "label"), ("Images", "labels")])
def test_parts_in_folders(tmp_path: Path, validation: str, images: str, masks: str) -> None:
    for part, count in (("train", 3), (validation, 2), ("test", 1)):
        write_pairs(tmp_path / part, count, images=images, masks=masks)
    source = open_dataset(str(tmp_path))
    assert {split: len(refs) for split, refs in source.splits.items()} == {
        "train": 3,
        "validation": 2,
        "test": 1,
    }
    assert source.division == "as the folders say"


def test_validation_is_never_taken_from_the_test_part(tmp_path: Path) -> None:
    for part, count in (("train", 10), ("test", 4)):
        write_pairs(tmp_path / part, count)
    source = open_dataset(str(tmp_path))
    assert [ref.name for ref in source.splits["validation"]] == ["train/images/t09.tif"]
    assert len(source.splits["test"]) == 4


@pytest.mark.parametrize("ending", ["_mask", "-label", "_gt", ""])
def test_masks_may_have_a_word_in_their_names(tmp_path: Path, ending: str) -> None:
    for name in "ab":
        write_image(tmp_path / "images" / f"{name}_image.jpg", grey())
        write_image(tmp_path / "masks" / f"{name}{ending}.tif", halves())
    source = open_dataset(str(tmp_path))
    ref = source.splits["train"][0]
    assert (ref.image.name, ref.labels and ref.labels.name) == ("a_image.jpg", f"a{ending}.tif")


def test_masks_of_255_are_taken_for_1_and_it_is_said(tmp_path: Path) -> None:
    source = open_dataset(str(write_pairs(tmp_path, value=255)))
    assert isinstance(source, ImageMaskFolder)
    assert source.remarks == ("The masks hold 0 and 255, which are taken for 0 and 1.",)
    np.testing.assert_array_equal(first(source).labels, halves()[0])


def test_masks_with_colour_table_or_three_equal_bands(tmp_path: Path) -> None:
    write_pairs(tmp_path, 2)
    table = {0: (255, 255, 255), 1: (9, 9, 9)}
    write_image(tmp_path / "masks" / "t00.png", halves(), table)
    write_image(tmp_path / "masks" / "t01.png", np.repeat(halves(), 3, axis=0))
    source = open_dataset(str(tmp_path))
    for refs in source.splits.values():
        np.testing.assert_array_equal(source.read(refs[0]).labels, halves()[0])


def test_1_and_255_in_one_dataset_are_refused(tmp_path: Path) -> None:
    # 255 may mean a pixel to be left out, or foreground: a guess would spoil the labels.
    write_pairs(tmp_path)
    write_image(tmp_path / "masks" / "t03.png", halves(255))
    with pytest.raises(DatasetError, match=r"t00.png holds 1 and .*t03.png holds 255"):
        open_dataset(str(tmp_path))


def test_other_values_are_refused_with_their_place(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    mask = halves()
    mask[0, 3, 5:7] = 2
    write_image(tmp_path / "masks" / "t04.png", mask)
    with pytest.raises(
        DatasetError, match=r"t04.png holds 2 at row 3, column 5 \(2 pixels like it\)"
    ):
        open_dataset(str(tmp_path))


def test_masks_as_jpeg_are_told_what_is_wrong(tmp_path: Path) -> None:
    write_pairs(tmp_path, 2)
    noisy = (grey() > 127).astype(np.uint8) * 255
    (tmp_path / "masks" / "t00.png").unlink()
    write_image(tmp_path / "masks" / "t00.jpg", noisy)
    with pytest.raises(DatasetError, match="JPEG does not keep values"):
        open_dataset(str(tmp_path))


def test_all_that_is_wrong_is_listed(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train", 4)
    write_pairs(tmp_path / "val", 1)
    (tmp_path / "train" / "masks" / "t00.png").unlink()
    (tmp_path / "train" / "images" / "t01.tif").unlink()
    write_image(tmp_path / "train" / "images" / "t02.tif", grey()[:, :8])
    write_image(tmp_path / "train" / "images" / "t03.png", grey())
    (tmp_path / "val" / "images" / "t00.tif").rename(tmp_path / "val" / "images" / "t00.bmp")
    (tmp_path / "test" / "images").mkdir(parents=True)
    with pytest.raises(DatasetError) as caught:
        open_dataset(str(tmp_path))
    message = str(caught.value)
    for told in (
        "test lacks a folder images, or masks",
        "train/images and train/masks: 1 image without labels of the same name: t00.tif",
        "train/images and train/masks: 1 label without an image of the same name: t01.png",
        "train/images and train/masks: 1 file with the same name as another: t03.tif",
        "val/images holds no image",
        "val/images holds 1 file of a type that is not read here: t00.bmp",
        "train/masks/t02.png is 16 x 16 pixels, but its image t02.tif is 8 x 16 pixels",
    ):
        assert told in message


def test_tiles_have_to_be_squares_of_one_size(tmp_path: Path) -> None:
    write_pairs(tmp_path, 3)
    for folder, name in (("images", "t01.tif"), ("masks", "t01.png")):
        write_image(tmp_path / folder / name, halves()[:, :8, :8])
    with pytest.raises(DatasetError, match=r"t01.tif is 8 x 8 pixels, 1 band, but most .* 16 x 16"):
        open_dataset(str(tmp_path))
    shutil.rmtree(tmp_path)
    for folder, name in (("images", "t.tif"), ("masks", "t.png")):
        write_image(tmp_path / folder / name, halves()[:, :8])
    with pytest.raises(DatasetError, match="8 x 16 pixels; tiles have to be squares"):
        open_dataset(str(tmp_path))


class TestWhatTheImagesHold:
    def write(self, folder: Path, *images: np.ndarray, **how: object) -> Path:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(images):
            write_raster(folder / "images" / f"{number}.tif", image, **how)  # type: ignore[arg-type]
            write_image(folder / "masks" / f"{number}.tif", halves())
        return folder

    def test_three_equal_bands_are_one(self, tmp_path: Path) -> None:
        source = open_dataset(str(write_pairs(tmp_path, image=np.repeat(grey(), 3, axis=0))))
        assert source.bands == ("SAR",)
        assert first(source).intensity.shape == (1, SIZE, SIZE)

    def test_an_image_whose_bands_differ_among_grey_ones(self, tmp_path: Path) -> None:
        write_pairs(tmp_path, 130, image=np.repeat(grey(), 3, axis=0))
        coloured = np.concatenate([grey(1), grey(2), grey(3)])
        write_image(tmp_path / "images" / "t01.tif", coloured)
        source = open_dataset(str(tmp_path))
        with pytest.raises(DatasetError, match=r"t01.tif has 3 bands that differ"):
            source.read(source.splits["train"][1])

    def test_bands_are_called_as_they_say(self, tmp_path: Path) -> None:
        two = speckle(2, SIZE, SIZE)
        named = self.write(tmp_path / "a", two, descriptions=("Sigma0_VH", "incidence angle"))
        assert open_dataset(str(named)).bands == ("VH", "incidence_angle")
        own = self.write(tmp_path / "b", two, descriptions=("entropy", "alpha"))
        assert open_dataset(str(own)).bands == ("entropy", "alpha")
        assert open_dataset(str(self.write(tmp_path / "c", two))).bands == ("B1", "B2")

    def test_auxiliary_bands_stay_as_they_are(self, tmp_path: Path) -> None:
        image = np.stack([np.full((SIZE, SIZE), -10.0), np.full((SIZE, SIZE), 35.0)])
        folder = self.write(
            tmp_path, image.astype(np.float32), descriptions=("VV", "incidence angle")
        )
        chip = first(open_dataset(str(folder)))
        np.testing.assert_allclose(chip.intensity[:, 0, 0], [0.1, 35.0], rtol=1e-6)

    def test_the_unit_is_guessed_over_all_images(self, tmp_path: Path) -> None:
        town = np.full((SIZE, SIZE), 3.0, np.float32)  # no negative decibels in it
        sea = np.full((SIZE, SIZE), -20.0, np.float32)
        source = open_dataset(str(self.write(tmp_path / "db", town, sea)))
        assert {ref.unit for refs in source.splits.values() for ref in refs} == {"db"}
        np.testing.assert_allclose(first(source).intensity, 10**0.3, rtol=1e-6)
        source = open_dataset(str(self.write(tmp_path / "power", town, town)))
        assert source.splits["train"][0].unit == "intensity"

    def test_the_tag_says_the_unit(self, tmp_path: Path) -> None:
        tags = {"SARSEG_UNIT": "amplitude"}
        source = open_dataset(str(self.write(tmp_path, speckle(SIZE, SIZE), tags=tags)))
        assert source.splits["train"][0].unit == "amplitude"

    @pytest.mark.parametrize(
        ("image", "unit"), [(grey()[0], "amplitude"), (-grey()[0] - 1.0, "db")]
    )
    def test_names_tell_nothing_of_pictures(
        self, tmp_path: Path, image: np.ndarray, unit: str
    ) -> None:
        write_raster(self.write(tmp_path, image) / "images" / "oil_db_1.tif", image)
        write_image(tmp_path / "masks" / "oil_db_1.tif", halves())
        for folder in ("images", "masks"):
            (tmp_path / folder / "0.tif").unlink()
        assert open_dataset(str(tmp_path)).splits["train"][0].unit == unit

    def test_images_of_several_kinds_are_refused(self, tmp_path: Path) -> None:
        self.write(tmp_path, speckle(SIZE, SIZE), speckle(SIZE, SIZE))
        write_raster(tmp_path / "images" / "1.tif", grey()[0])
        with pytest.raises(DatasetError, match=r"0.tif holds floating .*1.tif holds whole numbers"):
            open_dataset(str(tmp_path))

    def test_nodata_and_what_is_no_number_is_invalid(self, tmp_path: Path) -> None:
        image = speckle(SIZE, SIZE)
        image[0, 1], image[2, 3] = np.nan, -9999.0
        chip = first(open_dataset(str(self.write(tmp_path, image, nodata=-9999.0))))
        assert np.argwhere(~chip.valid).tolist() == [[0, 1], [2, 3]]
        assert (chip.intensity[0][~chip.valid] == 0).all()


def test_names_of_the_classes(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    (tmp_path / "classes.yaml").write_text("1: {name: ship, colour: '#ff0000'}\n")
    classes = open_dataset(str(tmp_path)).classes
    assert classes[0].name == "background"
    assert classes[1] == LandCoverClass(id=1, name="ship", colour=(255, 0, 0))
    (tmp_path / "classes.yaml").write_text("1: ship\n2: oil\n")
    with pytest.raises(DatasetError, match="names the class 2"):
        open_dataset(str(tmp_path))


def test_a_part_without_foreground_is_told(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train", 2)
    write_pairs(tmp_path / "val", 1, value=0)
    source = open_dataset(str(tmp_path))
    assert isinstance(source, ImageMaskFolder)
    assert source.remarks == ("No mask of the validation part has a pixel of the foreground.",)


def test_digest_tells_division_and_masks_and_not_the_place(tmp_path: Path) -> None:
    digests = []
    for name in "abcd":
        digests.append(write_pairs(tmp_path / name))
    (tmp_path / "c" / "images" / "t09.tif").unlink()
    (tmp_path / "c" / "masks" / "t09.png").unlink()
    write_image(tmp_path / "d" / "masks" / "t00.png", halves() * 0)
    a, b, c, d = (open_dataset(str(folder)).digest() for folder in digests)
    assert a == b
    assert len({a, c, d}) == 3


def test_what_is_no_dataset_is_told_the_three_forms(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in (str(tmp_path), str(tmp_path / "gone"), "fusra"):
        assert not is_dataset(name)
        with pytest.raises(DatasetError, match=r"fusar or fusar2, .*sarseg tile.* images/ and mas"):
            open_dataset(name)
    (tmp_path / "masks").mkdir()
    assert is_dataset(str(tmp_path))
    with pytest.raises(DatasetError, match="images holds no image"):
        open_dataset(str(tmp_path))
    with pytest.raises(UsageError, match="--data"):
        open_dataset(str(tmp_path), tmp_path)


def test_alpha_is_a_mask(tmp_path: Path) -> None:
    write_pairs(tmp_path, 1)
    with rasterio.open(
        tmp_path / "images" / "t00.tif", "w", "GTiff", SIZE, SIZE, 2, dtype="uint8", alpha="yes"
    ) as dataset:
        alpha = np.full((1, SIZE, SIZE), 255, np.uint8)
        alpha[0, 4, 4] = 0
        dataset.write(np.concatenate([grey(), alpha]))
        dataset.colorinterp = [rasterio.enums.ColorInterp.gray, rasterio.enums.ColorInterp.alpha]
    chip = first(open_dataset(str(tmp_path)))
    assert chip.intensity.shape[0] == 1
    assert np.argwhere(~chip.valid).tolist() == [[4, 4]]
