import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine
from scipy.ndimage import distance_transform_edt

from sarseg.datasets.chips import chip_starts, chip_windows, write_chips
from sarseg.datasets.manifest import DropRules, LabelRecord, Manifest, read_manifest
from sarseg.datasets.source import IGNORE, open_dataset
from sarseg.datasets.splits import SpatialBlocks
from sarseg.errors import DatasetError, InputError, OutputError, SarsegError, UsageError
from sarseg.filters.chain import Filters
from sarseg.filters.despeckle import Kuan
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.reading import Reading
from sarseg.scenes.window import Window
from tests.rasters import write_raster as plain_raster

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

UTM = CRS.from_epsg(32631)
GRID = Affine(10.0, 0.0, 500_003.25, 0.0, -12.5, 5_700_001.75)


def write_raster(
    path: Path,
    values: np.ndarray,
    *,
    transform: Affine | None = GRID,
    descriptions: tuple[str, ...] = (),
    tags: Mapping[str, str] | None = None,
    band_tags: Mapping[str, str] | None = None,
    **options: Any,
) -> Path:
    values = values if values.ndim == 3 else values[None]
    count, height, width = values.shape
    if transform is not None:
        options |= {"transform": transform, "crs": UTM}
    with rasterio.open(
        path, "w", "GTiff", width, height, count, dtype=values.dtype, **options
    ) as dataset:
        dataset.write(values)
        for index, description in enumerate(descriptions, start=1):
            dataset.set_band_description(index, description)
        dataset.update_tags(**(tags or {}))
        if band_tags:
            dataset.update_tags(1, **band_tags)
    return path


def speckle(height: int, width: int, bands: int = 2) -> np.ndarray:
    rng = np.random.default_rng(height * 1000 + width)
    return rng.exponential(0.1, (bands, height, width)).astype(np.float32) + np.float32(1e-4)


def write_scene(path: Path, values: np.ndarray, **options: Any) -> Path:
    names = ("VV", "VH")[: len(values)]
    return write_raster(path, values, descriptions=names, nodata=np.nan, **options)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read()


def leftovers(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene.tif", speckle(40, 56))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    ids = np.random.default_rng(3).integers(0, 4, (40, 56)).astype(np.uint8)
    return write_raster(tmp_path / "labels.tif", ids, nodata=0)


@pytest.fixture
def split(tmp_path: Path) -> Path:
    codes = np.random.default_rng(4).integers(0, 5, (40, 56)).astype(np.uint8)
    return write_raster(tmp_path / "split.tif", codes)


class TestGrid:
    @given(st.integers(1, 300), st.integers(1, 80), st.data())
    def test_covers_a_length_with_chips_of_one_size(
        self, length: int, size: int, data: st.DataObject
    ) -> None:
        overlap = data.draw(st.integers(0, size - 1))
        starts = chip_starts(length, size, overlap)
        assert starts[0] == 0
        if length > size:
            assert starts[-1] + size == length
        for one, next_one in pairwise(starts):
            assert one < next_one <= one + size - overlap

    @given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 25), st.data())
    def test_chips_cover_a_scene_in_row_order(
        self, height: int, width: int, size: int, data: st.DataObject
    ) -> None:
        overlap = data.draw(st.integers(0, size - 1))
        windows = list(chip_windows(height, width, size, overlap))
        times = np.zeros((height, width), int)
        for window in windows:
            assert (window.height, window.width) == (size, size)
            times[window.within(height, width).slices_in(Window(0, 0, height, width))] += 1
        assert (times >= 1).all()
        assert sorted(windows, key=lambda each: (each.row, each.col)) == windows


class TestImages:
    @pytest.mark.parametrize(("size", "overlap"), [(16, 0), (16, 5), (40, 0), (64, 0)])
    def test_reassemble_to_the_scene(
        self, tmp_path: Path, scene: Path, size: int, overlap: int
    ) -> None:
        original = read(scene)
        write_chips([str(scene)], tmp_path / "chips", size=size, overlap=overlap)
        manifest = read_manifest(tmp_path / "chips")
        assert manifest.bands == ("VV", "VH")
        rebuilt = np.full_like(original, np.nan)
        for chip in manifest.chips:
            values, window = read(tmp_path / "chips" / chip.image), chip.window
            assert values.shape == (2, size, size)
            shown = values[:, : window.height, : window.width]
            rebuilt[:, window.row :, window.col :][:, : window.height, : window.width] = shown
            assert np.isfinite(values).sum() == shown.size
        np.testing.assert_array_equal(rebuilt, original)

    def test_invalid_pixels_are_nan_in_all_bands(self, tmp_path: Path) -> None:
        values = speckle(32, 32)
        values[0, 3, 4] = np.nan
        scene = write_scene(tmp_path / "scene.tif", values)
        write_chips([str(scene)], tmp_path / "chips", size=32)
        chip = read(tmp_path / "chips/images/scene_r00000_c00000.tif")
        assert np.isnan(chip[:, 3, 4]).all()
        assert np.isnan(chip).sum() == 2

    def test_chips_without_a_valid_pixel_are_dropped_and_counted(self, tmp_path: Path) -> None:
        values = speckle(32, 48)
        values[:, :, 16:32] = np.nan
        scene = write_scene(tmp_path / "scene.tif", values)
        summary = write_chips([str(scene)], tmp_path / "chips", size=16)
        assert (summary.images, summary.dropped_invalid) == (4, 2)
        assert len(list((tmp_path / "chips/images").iterdir())) == 4

    def test_keep_the_numbers_and_name_their_unit(self, tmp_path: Path) -> None:
        numbers = np.arange(1, 33, dtype=np.uint16).reshape(1, 4, 8)
        scene = write_raster(tmp_path / "dn.tif", numbers, descriptions=("VV",), nodata=0)
        write_chips([str(scene)], tmp_path / "chips", size=4)
        path = tmp_path / "chips/images/dn_r00000_c00004.tif"
        with rasterio.open(path) as chip:
            assert chip.tags()["SARSEG_UNIT"] == "amplitude"
            assert chip.descriptions == ("VV",)
            np.testing.assert_array_equal(chip.read(), numbers[:, :, 4:])
        data = open_dataset(str(tmp_path / "chips"))
        intensity = data.read(data.splits["unlabelled"][1]).intensity
        np.testing.assert_array_equal(intensity, numbers[:, :, 4:].astype(np.float32) ** 2)

    def test_decibels_become_intensity_when_read(self, tmp_path: Path) -> None:
        values = np.full((1, 8, 8), -10.0, np.float32)
        values[0, 0, 0] = np.nan
        scene = write_scene(tmp_path / "db.tif", values)
        write_chips([str(scene)], tmp_path / "chips", reading=Reading(unit="db"), size=8)
        source = open_dataset(str(tmp_path / "chips"))
        chip = source.read(source.splits["unlabelled"][0])
        assert not chip.valid[0, 0]
        assert chip.intensity[0, 0, 0] == 0
        np.testing.assert_allclose(chip.intensity[0][chip.valid], 0.1, rtol=1e-6)
        assert (chip.labels == IGNORE).all()


class TestGeoreferencing:
    @settings(
        max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        height=st.integers(1, 40),
        width=st.integers(1, 40),
        size=st.integers(8, 24),
        overlap=st.integers(0, 7),
        rotation=st.sampled_from([0.0, 30.0]),
    )
    def test_is_that_of_the_window_in_the_scene(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        height: int,
        width: int,
        size: int,
        overlap: int,
        rotation: float,
    ) -> None:
        folder = tmp_path_factory.mktemp("grid")
        transform = GRID * Affine.rotation(rotation)
        ids = np.ones((height, width), np.uint8)
        scene = write_scene(folder / "scene.tif", speckle(height, width), transform=transform)
        labels = write_raster(folder / "labels.tif", ids, transform=transform)
        write_chips([str(scene)], folder / "chips", size=size, overlap=overlap, labels=labels)
        for chip in read_manifest(folder / "chips").chips:
            assert chip.label is not None
            for path in (chip.image, chip.label):
                with rasterio.open(folder / "chips" / path) as dataset:
                    assert dataset.crs == UTM
                    for corner in ((0, 0), (size, 0), (0, size)):
                        x, y = corner
                        np.testing.assert_allclose(
                            dataset.transform * corner,
                            transform * (x + chip.window.col, y + chip.window.row),
                            rtol=1e-12,
                        )

    def test_ground_control_points_move_with_the_window(self, tmp_path: Path) -> None:
        points = [
            GroundControlPoint(row=row, col=col, x=4 + col / 1000, y=52 - row / 1000, z=7.0)
            for row in (0, 16, 32)
            for col in (0, 16, 32)
        ]
        scene = write_raster(
            tmp_path / "scene_vv.tif",
            speckle(32, 32, 1),
            transform=None,
            gcps=points,
            crs=CRS.from_epsg(4326),
        )
        write_chips([str(scene)], tmp_path / "chips", size=16)
        assert read_manifest(tmp_path / "chips").scenes[0].crs == "EPSG:4326"
        with rasterio.open(tmp_path / "chips/images/scene_vv_r00016_c00016.tif") as dataset:
            moved, crs = dataset.gcps
        assert crs == CRS.from_epsg(4326)
        for before, after in zip(points, moved, strict=True):
            assert (after.row, after.col) == (before.row - 16, before.col - 16)
            assert (after.x, after.y, after.z) == (before.x, before.y, before.z)

    def test_none_stays_none(self, tmp_path: Path) -> None:
        scene = write_scene(tmp_path / "scene.tif", speckle(16, 16), transform=None)
        write_chips([str(scene)], tmp_path / "chips", size=8)
        with rasterio.open(tmp_path / "chips/images/scene_r00008_c00008.tif") as dataset:
            georeference = Georeference.of(dataset)
        assert georeference.transform is None
        assert georeference.crs is None


class TestLabels:
    def test_pixels_of_other_splits_are_ignored_and_none_is_lost(
        self, tmp_path: Path, scene: Path, labels: Path, split: Path
    ) -> None:
        ids, codes = read(labels)[0], read(split)[0]
        write_chips(
            [str(scene)], tmp_path / "chips", labels=labels, split=split, size=16, overlap=3
        )
        manifest = read_manifest(tmp_path / "chips")
        assert manifest.pixels.keys() == {"train", "validation", "test"}
        for code, name in enumerate(("train", "validation", "test"), start=1):
            expected = np.where((codes == code) & (ids != 0), ids, 255)
            rebuilt = np.full_like(ids, 255)
            for chip in manifest.chips:
                if chip.split != name or chip.label is None:
                    continue
                values, window = read(tmp_path / "chips" / chip.label)[0], chip.window
                rows = slice(window.row, window.row + 16)
                cols = slice(window.col, window.col + 16)
                # Equal in each chip alone: so nothing of another split is in any of them.
                np.testing.assert_array_equal(values, expected[rows, cols])
                rebuilt[rows, cols] = values
                assert chip.pixels == counts(values)
            np.testing.assert_array_equal(rebuilt, expected)
            assert manifest.pixels[name] == counts(expected)

    def test_a_chip_is_listed_once_for_each_split_it_has_labels_of(self, tmp_path: Path) -> None:
        ids = np.zeros((8, 24), np.uint8)
        ids[:, 4:12] = 5
        codes = np.ones((8, 24), np.uint8)
        codes[:, 6:] = 3
        scene = write_scene(tmp_path / "scene.tif", speckle(8, 24))
        write_chips(
            [str(scene)],
            tmp_path / "chips",
            labels=write_raster(tmp_path / "labels.tif", ids, nodata=0),
            split=write_raster(tmp_path / "split.tif", codes),
            size=8,
        )
        chips = read_manifest(tmp_path / "chips").chips
        assert [(chip.window.col, chip.split, chip.pixels) for chip in chips] == [
            (0, "train", {5: 16}),
            (0, "test", {5: 16}),
            (8, "test", {5: 32}),
            (16, "unlabelled", {}),
        ]

    def test_without_split_all_labels_are_for_training(
        self, tmp_path: Path, scene: Path, labels: Path
    ) -> None:
        write_chips([str(scene)], tmp_path / "chips", labels=labels, size=16)
        manifest = read_manifest(tmp_path / "chips")
        assert manifest.pixels == {"train": counts(np.where(read(labels) == 0, 255, read(labels)))}

    def test_of_invalid_pixels_are_ignored(self, tmp_path: Path) -> None:
        values = speckle(8, 8)
        values[:, :, :3] = np.nan
        scene = write_scene(tmp_path / "scene.tif", values)
        labels = write_raster(tmp_path / "labels.tif", np.full((8, 8), 7, np.uint8))
        write_chips([str(scene)], tmp_path / "chips", labels=labels, size=8)
        assert read_manifest(tmp_path / "chips").pixels == {"train": {7: 40}}

    def test_padding_of_a_small_scene_is_ignored(self, tmp_path: Path) -> None:
        scene = write_scene(tmp_path / "scene.tif", speckle(5, 9))
        labels = write_raster(tmp_path / "labels.tif", np.full((5, 9), 2, np.uint8))
        write_chips([str(scene)], tmp_path / "chips", labels=labels, size=16)
        source = open_dataset(str(tmp_path / "chips"))
        chip = source.read(source.splits["train"][0])
        assert chip.intensity.shape == (2, 16, 16)
        assert chip.valid[:5, :9].all()
        assert chip.valid.sum() == 45
        np.testing.assert_array_equal(chip.labels == 0, chip.valid)
        assert (chip.labels[~chip.valid] == IGNORE).all()

    def test_are_read_as_class_indices(self, tmp_path: Path) -> None:
        ids = np.array([[200, 3, 0, 255]] * 4, np.uint8)
        scene = write_scene(tmp_path / "scene.tif", speckle(4, 4))
        labels = write_raster(tmp_path / "labels.tif", ids)
        write_chips([str(scene)], tmp_path / "chips", labels=labels, ignore=[0], size=4)
        source = open_dataset(str(tmp_path / "chips"))
        assert [entry.name for entry in source.classes] == ["class 3", "class 200"]
        chip = source.read(source.splits["train"][0])
        np.testing.assert_array_equal(chip.labels, [[1, 0, IGNORE, IGNORE]] * 4)


class TestDropping:
    @pytest.fixture
    def patchy(self, tmp_path: Path) -> tuple[Path, Path, Path]:
        """Four chips of 16 pixels in a row: a quarter, half, all and all of them valid; the labels
        cover all, half, none and an eighth of them, of which half is for training."""
        values = speckle(16, 64)
        values[:, :12, :16] = values[:, :8, 16:32] = np.nan
        ids = np.ones((16, 64), np.uint8)
        ids[:, 24:56] = ids[4:, 56:] = 0
        codes = np.ones((16, 64), np.uint8)
        codes[:, ::2] = 3
        return (
            write_scene(tmp_path / "scene.tif", values),
            write_raster(tmp_path / "labels.tif", ids, nodata=0),
            write_raster(tmp_path / "split.tif", codes),
        )

    @pytest.mark.parametrize(("share", "left"), [(0, 4), (0.25, 4), (0.26, 3), (0.6, 2), (1, 2)])
    def test_by_valid_pixels(self, tmp_path: Path, patchy: Any, share: float, left: int) -> None:
        drop = DropRules(min_valid=share)
        summary = write_chips([str(patchy[0])], tmp_path / "chips", size=16, drop=drop)
        assert (summary.images, summary.dropped_invalid) == (left, 4 - left)
        assert read_manifest(tmp_path / "chips").dropped == drop

    @pytest.mark.parametrize(("share", "left"), [(0, 4), (0.01, 3), (0.07, 2), (0.125, 2)])
    def test_by_labelled_pixels_of_the_split_that_has_most(
        self, tmp_path: Path, patchy: Any, share: float, left: int
    ) -> None:
        scene, labels, split = patchy
        summary = write_chips(
            [str(scene)], tmp_path / "chips", size=16, labels=labels, split=split,
            drop=DropRules(min_labelled=share),
        )  # fmt: skip
        assert (summary.images, summary.dropped_unlabelled) == (left, 4 - left)

    def test_pixels_are_counted_once_where_a_neighbour_is_left_out(self, tmp_path: Path) -> None:
        values = speckle(32, 32)
        values[:, :, :6] = np.nan
        ids = np.random.default_rng(0).integers(0, 3, (32, 32)).astype(np.uint8)
        scene = write_scene(tmp_path / "scene.tif", values)
        labels = write_raster(tmp_path / "labels.tif", ids)
        summary = write_chips(
            [str(scene)], tmp_path / "chips", size=16, overlap=8, labels=labels,
            drop=DropRules(min_valid=0.9),
        )  # fmt: skip
        assert (summary.images, summary.dropped_invalid) == (6, 3)
        assert summary.manifest.pixels == {"train": counts(ids[:, 8:])}

    def test_all_of_them_is_an_error(self, tmp_path: Path, patchy: Any) -> None:
        scene, labels, _ = patchy
        with pytest.raises(InputError, match=r"scene\.tif has the share of valid .* 0\.99"):
            write_chips([str(scene)], tmp_path / "chips", size=64, drop=DropRules(min_valid=0.99))
        with pytest.raises(InputError, match="as fully as --min-labelled asks"):
            write_chips(
                [str(scene)], tmp_path / "chips", size=16, labels=labels,
                drop=DropRules(min_labelled=0.9),
            )  # fmt: skip
        with pytest.raises(UsageError, match="give --labels"):
            write_chips([str(scene)], tmp_path / "chips", size=16, drop=DropRules(min_labelled=0.1))


class TestSplits:
    def test_by_blocks_no_chip_shows_labels_of_a_neighbour_within_the_guard(
        self, tmp_path: Path
    ) -> None:
        scene = write_scene(tmp_path / "scene.tif", speckle(96, 96))
        labels = write_raster(tmp_path / "labels.tif", np.ones((96, 96), np.uint8))
        blocks = SpatialBlocks(24, guard=5, shares=(50, 25, 25))
        write_chips(
            [str(scene)], tmp_path / "chips", size=32, overlap=8, labels=labels, split="blocks",
            blocks=blocks,
        )  # fmt: skip
        manifest = read_manifest(tmp_path / "chips")
        members = {split: np.zeros((96, 96), bool) for split in manifest.pixels}
        for chip in manifest.chips:
            if chip.label is not None:
                place = np.s_[chip.window.row :, chip.window.col :]
                shown = read(tmp_path / "chips" / chip.label)[0] != 255
                members[chip.split][place][:32, :32] |= shown
        assert members.keys() == {"train", "validation", "test"}
        for split, own in members.items():
            others = np.logical_or.reduce([m for name, m in members.items() if name != split])
            assert distance_transform_edt(~others)[own].min() > 5
        assert manifest.division == "blocks of 24 pixels, shares 50,25,25, guard 5 pixels, seed 0"
        assert open_dataset(str(tmp_path / "chips")).division == manifest.division

    def test_are_as_large_as_two_chips_unless_told(self, tmp_path: Path, scene: Path) -> None:
        labels = write_raster(tmp_path / "labels.tif", np.ones((40, 56), np.uint8))
        write_chips([str(scene)], tmp_path / "chips", size=10, labels=labels, split="blocks")
        assert "blocks of 20 pixels" in read_manifest(tmp_path / "chips").division

    def test_that_lack_pixels_and_classes_are_told(self, tmp_path: Path, scene: Path) -> None:
        ids = np.ones((40, 56), np.uint8)
        ids[:, 30:] = 2
        labels = write_raster(tmp_path / "labels.tif", ids)
        codes = np.where(ids == 2, 3, 1).astype(np.uint8)
        split = write_raster(tmp_path / "split.tif", codes)
        names = tmp_path / "names.yaml"
        names.write_text("1: wood\n2: lake\n3: road\n")
        options: dict[str, Any] = {"size": 16, "labels": labels, "class_names": names}
        summary = write_chips([str(scene)], tmp_path / "chips", split=split, **options)
        assert summary.doubts == (
            "No labelled pixel is for validation.",
            "Test has no pixel of 1 wood.",
            "No training pixel is of: 2 lake, 3 road. A model cannot learn that.",
        )
        none = write_raster(tmp_path / "none.tif", np.maximum(codes, 2))
        for_tests = write_chips([str(scene)], tmp_path / "tests", split=none, **options)
        assert for_tests.doubts[0] == "No labelled pixel is for train."

    def test_blocks_that_lack_a_class_are_told_with_advice(
        self, tmp_path: Path, scene: Path
    ) -> None:
        ids = np.ones((40, 56), np.uint8)
        ids[:20, :14], ids[20:, :14] = 2, 3
        labels = write_raster(tmp_path / "labels.tif", ids)
        doubts = [
            write_chips(
                [str(scene)],
                tmp_path / f"chips{seed}",
                size=16,
                labels=labels,
                split="blocks",
                blocks=SpatialBlocks(20, seed=seed),
            ).doubts
            for seed in range(4)
        ]
        told = {doubt for some in doubts for doubt in some if "Validation" in doubt}
        assert told
        for doubt in told:
            assert doubt.endswith(": another --split-seed or a smaller --block-size may help.")


class TestProvenance:
    def test_is_in_the_manifest(self, tmp_path: Path, scene: Path, split: Path) -> None:
        names = tmp_path / "names.yaml"
        names.write_text("1: {name: wood, from: [0, 1]}\n2: {name: lake, from: [2]}\n")
        ids = np.random.default_rng(3).integers(0, 4, (40, 56)).astype(np.uint8)
        labels = write_raster(tmp_path / "labels.tif", ids)
        write_chips(
            [str(scene)], tmp_path / "chips", size=16, labels=labels, class_names=names,
            ignore=[3], split=split,
        )  # fmt: skip
        manifest = read_manifest(tmp_path / "chips")
        assert manifest.labels == LabelRecord(
            file=str(labels), attribute=None, classes=str(names), ignore=(3,)
        )
        assert manifest.division == "pixels as the raster split.tif divides them"
        assert open_dataset(str(tmp_path / "chips")).scenes == manifest.scenes

    def test_of_older_folders_is_not_asked_for(self, tmp_path: Path, scene: Path) -> None:
        write_chips([str(scene)], tmp_path / "chips", size=16)
        path = tmp_path / "chips" / "chips.json"
        content = json.loads(path.read_text())
        for field in ("labels", "division", "dropped"):
            del content[field]
        path.write_text(json.dumps(content))
        assert open_dataset(str(tmp_path / "chips")).division == ""


class TestLegend:
    def test_comes_from_the_tags_and_colours_of_the_labels(
        self, tmp_path: Path, scene: Path
    ) -> None:
        path = write_raster(
            tmp_path / "labels.tif",
            np.ones((40, 56), np.uint8),
            band_tags={"CLASS_0": "none", "CLASS_1": "water", "CLASS_2": "road"},
            nodata=0,
        )
        with rasterio.open(path, "r+") as dataset:
            dataset.write_colormap(1, {1: (0, 0, 255), 2: (255, 255, 0)})
        write_chips([str(scene)], tmp_path / "chips", labels=path, size=16)
        classes = read_manifest(tmp_path / "chips").classes
        assert [(c.id, c.name, c.colour) for c in classes] == [
            (1, "water", (0, 0, 255)),
            (2, "road", (255, 255, 0)),
        ]

    def test_comes_from_a_yaml_file(self, tmp_path: Path, scene: Path, labels: Path) -> None:
        names = tmp_path / "names.yaml"
        names.write_text(
            "0: unlabelled\n1: water\n2: {name: road, colour: '#Ffff00'}\n"
            "9: {name: ice, colour: [1, 2, 3]}\n"
        )
        write_chips([str(scene)], tmp_path / "chips", labels=labels, class_names=names, size=16)
        classes = read_manifest(tmp_path / "chips").classes
        assert [(c.id, c.name) for c in classes] == [
            (1, "water"),
            (2, "road"),
            (3, "class 3"),
            (9, "ice"),
        ]
        assert classes[1].colour == (255, 255, 0)
        assert classes[3].colour == (1, 2, 3)

    @pytest.mark.parametrize(
        "text",
        ["- water\n", "", "1: [", "water: 1\n", "300: water\n", "1: {name: water, color: red}\n",
         "1: {name: water, colour: red}\n", "1: {colour: [0, 0, 0]}\n", "1:\n", "yes: water\n"],
    )  # fmt: skip
    def test_refuses_another_yaml_file(
        self, tmp_path: Path, scene: Path, labels: Path, text: str
    ) -> None:
        names = tmp_path / "names.yaml"
        names.write_text(text)
        with pytest.raises(InputError, match=r"class file .*names\.yaml"):
            write_chips([str(scene)], tmp_path / "chips", labels=labels, class_names=names, size=16)
        assert not (tmp_path / "chips").exists()


class TestErrors:
    def refuse(
        self, tmp_path: Path, kind: type[SarsegError], match: str, files: list[str], **options: Any
    ) -> None:
        before = leftovers(tmp_path)
        with pytest.raises(kind, match=match):
            write_chips(files, tmp_path / "chips", **{"size": 16} | options)
        assert leftovers(tmp_path) == before

    def test_options_that_make_no_sense(self, tmp_path: Path, scene: Path, split: Path) -> None:
        files = [str(scene)]
        self.refuse(tmp_path, UsageError, "--overlap", files, size=16, overlap=16)
        self.refuse(tmp_path, UsageError, "--overlap", files, size=16, overlap=-1)
        self.refuse(tmp_path, UsageError, "--size", files, size=0)
        self.refuse(tmp_path, UsageError, "--labels", files, split=split)
        self.refuse(tmp_path, UsageError, "--labels", files, ignore=[0])

    def test_other_pixels_without_a_crs(self, tmp_path: Path, scene: Path) -> None:
        ids = np.ones((40, 56), np.uint8)
        good = write_raster(tmp_path / "good.tif", ids)
        small = write_raster(tmp_path / "small.tif", ids[:-1], transform=None)
        bare = write_raster(tmp_path / "bare.tif", ids, transform=None)
        for path in (small, bare):
            match = rf"{path.name} does not lie on the grid of the scene: .* without a CRS"
            self.refuse(tmp_path, InputError, match, [str(scene)], labels=path)
            self.refuse(tmp_path, InputError, match, [str(scene)], labels=good, split=path)
        radar = write_scene(tmp_path / "radar.tif", speckle(40, 56), transform=None)
        match = r"39 x 56 pixels .* against 40 x 56, and without a CRS of radar\.tif"
        other = write_raster(tmp_path / "other.tif", ids[:-1])
        self.refuse(tmp_path, InputError, match, [str(radar)], labels=other)

    def test_labels_that_are_no_class_ids(self, tmp_path: Path, scene: Path) -> None:
        fractions = write_raster(tmp_path / "f.tif", np.full((40, 56), 1.5, np.float32))
        match = r"f\.tif holds 1\.5 at row 0, column 0 of the scene"
        self.refuse(tmp_path, InputError, match, [str(scene)], labels=fractions)
        colours = write_raster(tmp_path / "rgb.tif", np.ones((3, 40, 56), np.uint8))
        self.refuse(tmp_path, InputError, "3 bands", [str(scene)], labels=colours)
        wide = np.ones((40, 56), np.int16)
        wide[30, 40] = -7
        negative = write_raster(tmp_path / "neg.tif", wide)
        match = r"holds -7 at row 30, column 40"
        self.refuse(tmp_path, InputError, match, [str(scene)], labels=negative, size=16)
        write_chips([str(scene)], tmp_path / "ok", labels=negative, size=16, ignore=[-7])

    def test_nothing_labelled(self, tmp_path: Path, scene: Path, labels: Path) -> None:
        empty = write_raster(tmp_path / "empty.tif", np.zeros((40, 56), np.uint8), nodata=0)
        match = "labels no valid pixel"
        self.refuse(tmp_path, InputError, match, [str(scene)], labels=empty)
        match = r"empty\.tif gives no labelled pixel a split"
        self.refuse(tmp_path, InputError, match, [str(scene)], labels=labels, split=empty)
        few = {"labels": labels, "split": empty, "drop": DropRules(min_labelled=0.01)}
        self.refuse(tmp_path, InputError, match, [str(scene)], **few)

    def test_labels_and_splits_of_another_place(
        self, tmp_path: Path, scene: Path, labels: Path
    ) -> None:
        far = GRID * Affine.translation(400, 0)
        elsewhere = write_raster(tmp_path / "far.tif", np.ones((40, 56), np.uint8), transform=far)
        match = r"label raster .*far\.tif does not overlap scene\.tif"
        self.refuse(tmp_path, InputError, match, [str(scene)], labels=elsewhere)
        match = r"split raster .*far\.tif does not overlap scene\.tif"
        self.refuse(tmp_path, InputError, match, [str(scene)], labels=labels, split=elsewhere)

    def test_nothing_valid(self, tmp_path: Path) -> None:
        scene = write_scene(tmp_path / "nan.tif", np.full((2, 8, 8), np.nan, np.float32))
        self.refuse(tmp_path, InputError, "no valid pixel", [str(scene)], size=8)

    def test_missing_files(self, tmp_path: Path, scene: Path) -> None:
        gone = tmp_path / "gone.tif"
        self.refuse(tmp_path, InputError, "gone", [str(gone)])
        self.refuse(tmp_path, InputError, "gone", [str(scene)], labels=gone)

    def test_folder_that_does_not_exist(self, tmp_path: Path, scene: Path) -> None:
        with pytest.raises(OutputError, match="does not exist"):
            write_chips([str(scene)], tmp_path / "no" / "chips", size=16)


class TestOutputFolder:
    def test_chips_are_replaced_on_request_only(self, tmp_path: Path, scene: Path) -> None:
        output = tmp_path / "chips"
        output.mkdir()
        write_chips([str(scene)], output, size=16)
        with pytest.raises(OutputError, match="--overwrite"):
            write_chips([str(scene)], output, size=40)
        assert read_manifest(output).size == 16
        write_chips([str(scene)], output, size=40, overwrite=True)
        assert read_manifest(output).size == 40
        assert len(list((output / "images").iterdir())) == 2
        assert leftovers(tmp_path) == {"scene.tif", "chips"}

    @pytest.mark.parametrize("manifest", [None, "{}", "no json"])
    def test_another_folder_is_never_replaced(
        self, tmp_path: Path, scene: Path, manifest: str | None
    ) -> None:
        output = tmp_path / "thesis"
        output.mkdir()
        (output / "chapter.tex").write_text("precious")
        if manifest is not None:
            (output / "chips.json").write_text(manifest)
        with pytest.raises(OutputError, match="not a folder of chips"):
            write_chips([str(scene)], output, size=16, overwrite=True)
        assert (output / "chapter.tex").read_text() == "precious"

    def test_files_of_the_user_among_the_chips_are_kept(self, tmp_path: Path, scene: Path) -> None:
        write_chips([str(scene)], tmp_path / "chips", size=16)
        (tmp_path / "chips" / "notes.txt").write_text("precious")
        with pytest.raises(OutputError, match=r"notes\.txt"):
            write_chips([str(scene)], tmp_path / "chips", size=16, overwrite=True)

    def test_a_scene_inside_is_not_replaced_by_its_chips(self, tmp_path: Path, scene: Path) -> None:
        write_chips([str(scene)], tmp_path / "chips", size=40)
        inside = tmp_path / "chips/images/scene_r00000_c00000.tif"
        with pytest.raises(OutputError, match="lies in the output folder"):
            write_chips([str(inside)], tmp_path / "chips", size=16, overwrite=True)

    @pytest.mark.parametrize("earlier", [False, True])
    def test_interruption_leaves_everything_as_it_was(
        self, tmp_path: Path, scene: Path, labels: Path, earlier: bool
    ) -> None:
        def interrupt(done: int, total: int) -> None:
            if done == 2:
                raise KeyboardInterrupt

        output = tmp_path / "chips"
        if earlier:
            write_chips([str(scene)], output, size=40)
        before = leftovers(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            write_chips(
                [str(scene)], output, labels=labels, size=16, overwrite=True, progress=interrupt
            )
        assert leftovers(tmp_path) == before
        if earlier:
            assert read_manifest(output).size == 40
            open_dataset(str(output))

    def test_is_an_ordinary_folder(self, tmp_path: Path, scene: Path) -> None:
        write_chips([str(scene)], tmp_path / "chips", size=40)
        (tmp_path / "ordinary").mkdir()
        assert (tmp_path / "chips").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


class TestReading:
    @pytest.fixture
    def chips(self, tmp_path: Path, scene: Path, labels: Path, split: Path) -> Path:
        write_chips([str(scene)], tmp_path / "chips", labels=labels, split=split, size=16)
        return tmp_path / "chips"

    def tamper(self, chips: Path, changes: dict[str, Any]) -> None:
        path = chips / "chips.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    def test_every_chip_of_every_split(self, chips: Path) -> None:
        source = open_dataset(str(chips))
        manifest = read_manifest(chips)
        ids = [entry.id for entry in source.classes]
        for split, refs in source.splits.items():
            records = [chip for chip in manifest.chips if chip.split == split]
            for ref, record in zip(refs, records, strict=True):
                labels = source.read(ref).labels
                labelled = labels[labels != IGNORE]
                found = {ids[i]: int((labelled == i).sum()) for i in np.unique(labelled)}
                assert found == record.pixels

    def test_digest_changes_with_the_membership_only(
        self, tmp_path: Path, chips: Path, scene: Path, labels: Path, split: Path
    ) -> None:
        options: dict[str, Any] = {"labels": labels, "size": 16}
        write_chips([str(scene)], tmp_path / "same", split=split, **options)
        codes = read(split)[0]
        codes[0, 0] = 1 + codes[0, 0] % 3
        other = write_raster(tmp_path / "other.tif", np.roll(codes, 1, axis=0))
        write_chips([str(scene)], tmp_path / "other", split=other, **options)
        digest = open_dataset(str(chips)).digest()
        assert open_dataset(str(tmp_path / "same")).digest() == digest
        assert open_dataset(str(tmp_path / "other")).digest() != digest

    def test_subfolders_are_taken_together(
        self, tmp_path: Path, scene: Path, labels: Path, split: Path
    ) -> None:
        both = tmp_path / "both"
        both.mkdir()
        write_chips([str(scene)], both / "a", labels=labels, split=split, size=16)
        write_chips([str(scene)], both / "b", labels=labels, size=16)
        source = open_dataset(str(both))
        alone = {part: open_dataset(str(both / part)).splits for part in "ab"}
        assert len(source.splits["train"]) == sum(len(alone[part]["train"]) for part in "ab")
        assert len({ref.name for ref in source.splits["train"]}) == len(source.splits["train"])
        assert len(source.splits["test"]) == len(alone["a"]["test"])

    def test_an_area_of_interest_takes_labels_of_the_whole_scene_and_of_the_part(
        self, tmp_path: Path
    ) -> None:
        values = np.random.default_rng(1).exponential(0.1, (40, 50)).astype(np.float32)
        scene = plain_raster(tmp_path / "vv.tif", values)
        ids = np.random.default_rng(0).integers(1, 4, (40, 50)).astype(np.uint8)
        part = np.s_[8:24, 10:42]
        for name, labels in (("whole", ids), ("part", ids[part])):
            path = plain_raster(tmp_path / f"{name}.tif", labels)
            chips = tmp_path / f"chips_{name}"
            write_chips(
                [str(scene)], chips, reading=Reading(area="10,8,42,24"), labels=path, size=16
            )
            source = open_dataset(str(chips))
            found = [source.read(ref) for ref in source.splits["train"]]
            shown = np.concatenate([chip.intensity[0] for chip in found], axis=1)
            np.testing.assert_array_equal(shown, values[part])
            ours = np.concatenate([chip.labels for chip in found], axis=1)
            np.testing.assert_array_equal(ours + 1, ids[part])

    def test_subfolders_may_differ_in_looks(self, tmp_path: Path) -> None:
        """Each scene is despeckled for its own; the model gets the number between."""
        both = tmp_path / "both"
        both.mkdir()
        for name, looks in (("a", 2.0), ("b", 5.0)):
            values = np.random.default_rng(0).gamma(looks, 0.1 / looks, (1, 200, 200))
            path = write_raster(tmp_path / f"{name}_vv.tif", values.astype(np.float32))
            filters = Filters(despeckle=Kuan(size=5))
            write_chips([str(path)], both / name, filters=filters, size=200)
        despeckle = open_dataset(str(both)).filters.despeckle
        assert isinstance(despeckle, Kuan)
        assert despeckle.looks == pytest.approx(3.5, rel=0.1)

    @pytest.mark.parametrize(
        ("changes", "what"),
        [
            ({"size": 8}, "chip sizes"),
            ({"reading": Reading(bands=("VH",))}, "bands"),
            ({"ignore": [0, 1]}, "classes"),
        ],
    )
    def test_subfolders_that_differ_are_refused(
        self, tmp_path: Path, scene: Path, labels: Path, changes: dict[str, Any], what: str
    ) -> None:
        both = tmp_path / "both"
        both.mkdir()
        write_chips([str(scene)], both / "a", labels=labels, size=16)
        single = write_raster(tmp_path / "vh.tif", speckle(40, 56, 1), descriptions=("VH",))
        files = [str(single)] if "reading" in changes else [str(scene)]
        write_chips(files, both / "b", labels=labels, **{"size": 16} | changes)
        with pytest.raises(DatasetError, match=f"different {what}"):
            open_dataset(str(both))

    def test_a_folder_without_chips_says_how_to_make_them(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="sarseg tile"):
            open_dataset(str(tmp_path))
        with pytest.raises(DatasetError, match="no folder"):
            open_dataset(str(tmp_path / "gone"))

    @pytest.mark.parametrize(
        "path", ["../outside.tif", "images/../../outside.tif", "/etc/passwd", "C:\\x.tif", "..\\x"]
    )
    @pytest.mark.parametrize("field", ["image", "label"])
    def test_paths_out_of_the_folder_are_refused(self, chips: Path, path: str, field: str) -> None:
        records = json.loads((chips / "chips.json").read_text())["chips"]
        records[3][field] = path
        self.tamper(chips, {"chips": records})
        with pytest.raises(DatasetError, match=r"chips\.3\.\w+: the path .* leads out"):
            open_dataset(str(chips))

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"version": 2}, "version"),
            ({"format": "other"}, "format"),
            ({"size": 0}, "size"),
            ({"extra": 1}, "extra"),
            ({"scenes": []}, "is not in the list"),
            ({"classes": []}, "class that is not in the list"),
            ({"unit": "volt"}, "unit"),
        ],
    )
    def test_a_broken_manifest_is_a_sentence(
        self, chips: Path, changes: dict[str, Any], match: str
    ) -> None:
        self.tamper(chips, changes)
        with pytest.raises(DatasetError, match=rf"chips\.json is not a usable .*{match}"):
            open_dataset(str(chips))

    def test_a_manifest_that_is_no_json_is_a_sentence(self, chips: Path) -> None:
        (chips / "chips.json").write_text('{"format": "sarseg chips",')
        with pytest.raises(DatasetError, match=r"chips\.json is not a usable"):
            open_dataset(str(chips))

    def test_missing_files_show_at_once(self, chips: Path) -> None:
        gone = next(iter((chips / "images").iterdir()))
        gone.unlink()
        with pytest.raises(DatasetError, match=gone.name):
            open_dataset(str(chips))

    def test_files_that_do_not_fit_the_manifest_are_named(self, chips: Path) -> None:
        source = open_dataset(str(chips))
        ref = source.splits["train"][0]
        assert ref.labels is not None
        write_raster(ref.labels, np.full((16, 16), 77, np.uint8))
        with pytest.raises(DatasetError, match="class 77"):
            source.read(ref)
        write_raster(ref.labels, np.ones((8, 16), np.uint8))
        with pytest.raises(DatasetError, match="8 x 16"):
            source.read(ref)
        ref.image.write_bytes(b"no image")
        with pytest.raises(DatasetError, match="not a raster"):
            source.read(ref)


def counts(ids: np.ndarray) -> dict[int, int]:
    values, numbers = np.unique(ids[ids != 255], return_counts=True)
    return dict(zip(values.tolist(), numbers.tolist(), strict=True))


def test_flevoland_has_the_pixels_of_its_description(tmp_path: Path, real_data: Path) -> None:
    flevoland = real_data / "flevoland"
    write_chips(
        [str(flevoland / "scene.tif")],
        tmp_path / "chips",
        labels=flevoland / "labels.tif",
        split=flevoland / "split.tif",
        size=448,
        overlap=64,
    )
    manifest: Manifest = read_manifest(tmp_path / "chips")
    totals = {split: sum(counts.values()) for split, counts in manifest.pixels.items()}
    assert totals == {"train": 101_951, "validation": 20_599, "test": 50_561}
    assert [entry.id for entry in manifest.classes] == list(range(1, 16))
    assert len(manifest.pixels["test"]) == 14
