from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from sarseg.classes import NODATA, LandCoverClass
from sarseg.datasets.chip_folder import ChipFolder
from sarseg.datasets.chips import write_chips
from sarseg.datasets.foreground import OneAgainstRest
from sarseg.datasets.source import ChipRef, ChipSource, Split
from sarseg.errors import DatasetError
from tests.rasters import speckle, write_raster

IDS = np.random.default_rng(2).integers(0, 6, (64, 64)).astype(np.uint8)
IGNORED = 5


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ChipFolder:
    """Four chips of five classes and unlabelled pixels, the classes 3 and 4 with odd names."""
    folder = tmp_path_factory.mktemp("foreground")
    scene = write_raster(folder / "s_vv.tif", speckle(64, 64))
    labels = write_raster(folder / "labels.tif", IDS, nodata=IGNORED)
    names = folder / "classes.yaml"
    names.write_text("0: land\n1: {name: water, colour: '#0102ff'}\n2: ice\n3: '4'\n4: town\n")
    write_chips([str(scene)], folder / "chips", size=32, labels=labels, class_names=names)
    return ChipFolder.open(folder / "chips")


def labels_of(source: ChipSource) -> np.ndarray:
    (refs,) = source.splits.values()
    return np.stack([source.read(ref).labels for ref in refs])


@pytest.mark.parametrize(
    ("foreground", "class_id", "rest_id"),
    [("water", 1, 0), ("1", 1, 0), ("land", 0, 1), ("0", 0, 1), ("4", 3, 0), ("town", 4, 0)],
)
def test_one_class_against_the_rest(
    source: ChipFolder, foreground: str, class_id: int, rest_id: int
) -> None:
    view: ChipSource = OneAgainstRest(source, foreground)
    rest, chosen = view.classes
    assert chosen == source.classes[class_id]
    assert (rest.id, rest.name) == (rest_id, f"not {chosen.name}")
    before, after = labels_of(source), labels_of(view)
    assert after.dtype == np.uint8
    np.testing.assert_array_equal(after == NODATA, before == NODATA)
    np.testing.assert_array_equal(after == 1, before == class_id)
    assert set(np.unique(after)) == {0, 1, NODATA}


def test_all_else_is_the_sources(source: ChipFolder) -> None:
    view = OneAgainstRest(source, "water")
    assert (view.name, view.bands, view.tile_size) == (
        source.name,
        source.bands,
        source.tile_size,
    )
    assert (view.scenes, view.division) == (source.scenes, source.division)
    splits: Mapping[Split, Sequence[ChipRef]] = view.splits
    assert splits == source.splits
    ref = view.splits["train"][0]
    np.testing.assert_array_equal(view.read(ref).intensity, source.read(ref).intensity)
    np.testing.assert_array_equal(view.read(ref).valid, source.read(ref).valid)


def test_the_digest_tells_foregrounds_apart(source: ChipFolder) -> None:
    views = [OneAgainstRest(source, name) for name in ("water", "1", "land", "town")]
    digests = [source.digest(), *(view.digest() for view in views)]
    assert digests[1] == digests[2]
    assert len(set(digests)) == 4
    assert all(len(digest) == 64 for digest in digests)


def test_a_class_that_is_not_there_is_told(source: ChipFolder) -> None:
    with pytest.raises(
        DatasetError, match=r"no class 'lake'.*land \(0\), water \(1\), ice \(2\), 4 \(3\), town"
    ):
        OneAgainstRest(source, "lake")


def test_ids_of_two_classes_never_meet(source: ChipFolder) -> None:
    for entry in source.classes:
        rest, chosen = OneAgainstRest(source, str(entry.name)).classes
        assert rest.id != chosen.id
        assert isinstance(rest, LandCoverClass)
