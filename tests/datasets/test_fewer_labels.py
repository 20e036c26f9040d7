"""Fewer training labels: how many stay, which, and that all chips agree."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.classes import NODATA
from sarseg.datasets.chip_folder import ChipFolder
from sarseg.datasets.chips import write_chips
from sarseg.datasets.fewer_labels import CELL, FewerLabels
from sarseg.datasets.image_masks import ImageMaskFolder
from sarseg.datasets.source import ChipSource, Split
from tests.rasters import speckle, write_raster

SIDE, SIZE = 136, 48
SHARES = st.floats(0.004, 1.0)
SEEDS = st.integers(0, 2**32 - 1)


def landscape() -> np.ndarray:
    """Fields of three classes, one of them in a corner alone, and a part without labels."""
    rows, cols = np.indices((SIDE, SIDE))
    ids = 1 + ((rows // 11 + cols // 17) % 2)
    ids[:5, :6] = 3
    ids[100:, 60:80] = 0
    return ids.astype(np.uint8)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> ChipFolder:
    """Chips that share half their pixels; the right part of the scene is for validation."""
    folder = tmp_path_factory.mktemp("fewer")
    scene = write_raster(folder / "s_vv.tif", speckle(SIDE, SIDE))
    labels = write_raster(folder / "labels.tif", landscape(), nodata=0)
    parts = np.ones((SIDE, SIDE), np.uint8)
    parts[:, 110:] = 2
    split = write_raster(folder / "split.tif", parts)
    write_chips([str(scene)], folder / "chips", size=SIZE, overlap=24, labels=labels, split=split)
    return ChipFolder.open(folder / "chips")


def mosaic(source: ChipSource, split: Split = "train", margin: int = 0) -> np.ndarray:
    """Labels of the scene as its chips show them, but for their ``margin``; fails where two chips
    differ at a pixel."""
    whole = np.full((SIDE, SIDE), NODATA, np.uint8)
    seen = np.zeros((SIDE, SIDE), bool)
    for ref in source.splits[split]:
        inner = slice(margin, SIZE - margin)
        top, left, side = ref.row + margin, ref.col + margin, SIZE - 2 * margin
        place = np.s_[top : top + side, left : left + side]
        labels = source.read(ref).labels[inner, inner]
        np.testing.assert_array_equal(whole[place][seen[place]], labels[seen[place]])
        whole[place], seen[place] = labels, True
    return whole


def cells(kept: np.ndarray) -> Iterator[np.ndarray]:
    for row in range(0, SIDE, CELL):
        for col in range(0, SIDE, CELL):
            yield kept[row : row + CELL, col : col + CELL]


@settings(max_examples=12, deadline=None)
@given(share=SHARES, seed=SEEDS)
def test_of_every_class_the_share_stays_in_whole_cells(
    chips: ChipFolder, share: float, seed: int
) -> None:
    before, after = mosaic(chips), mosaic(FewerLabels(chips, share, seed))
    kept = after != NODATA
    np.testing.assert_array_equal(after[kept], before[kept])
    for index in range(len(chips.classes)):
        assert (after == index).sum() >= share * (before == index).sum()
    for was, now in zip(cells(before != NODATA), cells(kept), strict=True):
        assert not now.any() or (now == was).all()


@settings(max_examples=15, deadline=None)
@given(share=SHARES, seed=SEEDS, margin=st.integers(1, SIZE // 2 - 1))
def test_what_a_filter_leaves_inexact_does_not_count(
    chips: ChipFolder, share: float, seed: int, margin: int
) -> None:
    """However far it looks: of what is trained on of a class, the share stays, and every chip
    has a part in it."""
    few = FewerLabels(chips, share, seed, margin=margin)
    before, after = mosaic(chips, margin=margin), mosaic(few, margin=margin)
    for index in range(len(chips.classes)):
        assert (after == index).sum() >= share * (before == index).sum()
    inner = slice(margin, SIZE - margin)
    for ref in few.splits["train"]:
        assert (few.read(ref).labels[inner, inner] != NODATA).any()


@settings(max_examples=8, deadline=None)
@given(shares=st.tuples(SHARES, SHARES), seed=SEEDS)
def test_a_smaller_share_is_part_of_a_larger_one(
    chips: ChipFolder, shares: tuple[float, float], seed: int
) -> None:
    less, more = (mosaic(FewerLabels(chips, share, seed)) for share in sorted(shares))
    kept = less != NODATA
    np.testing.assert_array_equal(less[kept], more[kept])


def test_the_share_is_not_much_exceeded(chips: ChipFolder) -> None:
    before = mosaic(chips)
    for seed in range(5):
        after = mosaic(FewerLabels(chips, 0.2, seed))
        for index in (0, 1):  # the third class fits in one cell, which stays whole
            share = (after == index).sum() / (before == index).sum()
            assert share <= 0.3
        assert (after == 2).sum() == (before == 2).sum() == 30


def test_the_whole_is_the_source_itself(chips: ChipFolder) -> None:
    whole = FewerLabels(chips, 1.0, 3)
    assert whole.splits == chips.splits
    for ref in chips.splits["train"]:
        np.testing.assert_array_equal(whole.read(ref).labels, chips.read(ref).labels)
        np.testing.assert_array_equal(whole.read(ref).intensity, chips.read(ref).intensity)


def test_seeds_alone_choose(chips: ChipFolder) -> None:
    first, again, other = (mosaic(FewerLabels(chips, 0.2, seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_other_splits_stay_whole_and_empty_chips_go(chips: ChipFolder) -> None:
    few = FewerLabels(chips, 0.004, 0)
    assert few.splits["validation"] == chips.splits["validation"]
    np.testing.assert_array_equal(mosaic(few, "validation"), mosaic(chips, "validation"))
    assert 0 < len(few.splits["train"]) < len(chips.splits["train"])
    assert all((few.read(ref).labels != NODATA).any() for ref in few.splits["train"])


def test_the_digest_says_the_share_and_the_seed(chips: ChipFolder) -> None:
    digests = {FewerLabels(chips, share, seed).digest() for share in (0.1, 0.2) for seed in (0, 1)}
    filtered = FewerLabels(chips, 0.1, 0, margin=3).digest()
    assert len(digests | {chips.digest(), filtered}) == 6
    assert FewerLabels(chips, 0.1, 0).digest() in digests


def test_images_without_a_place_are_scenes_of_their_own(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / "train" / folder).mkdir(parents=True)
    labels = np.tile(np.array([[0, 1]], np.uint8).repeat(32, 1), (64, 1))
    for name in "abcd":
        for folder, values in (("images", np.full((64, 64), 90, np.uint8)), ("masks", labels)):
            path = tmp_path / "train" / folder / f"{name}.png"
            with rasterio.open(
                path, "w", driver="PNG", width=64, height=64, count=1, dtype="uint8"
            ) as opened:
                opened.write(values, 1)
    source = ImageMaskFolder.open(tmp_path)
    few = FewerLabels(source, 0.3, 0)
    kept = [few.read(ref).labels != NODATA for ref in few.splits["train"]]
    assert len(kept) == len(source.splits["train"]) > 1
    assert np.mean(kept) >= 0.3
    assert (kept[0] != kept[1]).any()


def test_no_share(chips: ChipFolder) -> None:
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match="is no share"):
            FewerLabels(chips, share, 0)
