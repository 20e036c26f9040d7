"""Dividing the pixels of a scene: by rasters, by polygons, by blocks with a guard between them."""

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.transform import Affine
from scipy.ndimage import distance_transform_edt

from sarseg.datasets.splits import PARTS, SpatialBlocks, open_splits
from sarseg.datasets.splits.blocks import BlockSplits
from sarseg.errors import InputError, UsageError
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window
from tests.rasters import speckle, write_raster
from tests.vectors.maps import UTM, blocky

HEIGHT, WIDTH = 90, 130
BLOCKS = SpatialBlocks(30)


class Bare:
    """A grid of which nothing but the size is known."""

    name = "bare.tif"

    def __init__(self, height: int, width: int) -> None:
        self.georeference = self.whole = Georeference(height, width, None, None)
        self.cut = Window(0, 0, height, width)


def codes_of(splits: Any, window: Window) -> NDArray[np.int64]:
    """0 none, 1 train, 2 validation, 3 test; pixels must not be in two splits."""
    members = splits.read(window)
    stack = np.stack([members[split] for split in PARTS])
    assert stack.sum(axis=0).max() <= 1
    return np.asarray((stack * np.array([1, 2, 3])[:, None, None]).sum(axis=0))


def whole(grid: Any) -> Window:
    return Window(0, 0, grid.georeference.height, grid.georeference.width)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "s_vv.tif", speckle(HEIGHT, WIDTH), **UTM)


def divided(scene: Path, split: Path | str, attribute: str | None = None) -> NDArray[np.int64]:
    with (
        Scene.open([scene]) as opened,
        open_splits(str(split), opened, attribute=attribute, blocks=BLOCKS) as splits,
    ):
        return codes_of(splits, whole(opened))


def polygons(path: Path, squares: list[tuple[int, int, int]], **attributes: list[Any]) -> Path:
    """Squares of pixels: column, row and side."""
    shapes = []
    for left, top, side in squares:
        x, y = UTM["transform"] * (left, top)
        shapes.append(shapely.box(x, y - 20 * side, x + 20 * side, y))
    geopandas.GeoDataFrame(attributes, geometry=shapes, crs=UTM["crs"]).to_file(path)
    return path


class TestFiles:
    def test_a_raster_of_any_grid(self, tmp_path: Path, scene: Path) -> None:
        codes = blocky(HEIGHT, WIDTH, classes=5)
        same = write_raster(tmp_path / "same.tif", codes, **UTM)
        expected = np.where(codes > 3, 0, codes)
        np.testing.assert_array_equal(divided(scene, same), expected)
        fine = UTM | {"transform": UTM["transform"] * Affine.scale(1 / 3)}
        holes = np.where(codes == 4, np.nan, codes.astype(np.float32))
        floats = write_raster(tmp_path / "floats.tif", holes, **UTM)
        np.testing.assert_array_equal(divided(scene, floats), expected)
        other = write_raster(tmp_path / "fine.tif", np.kron(codes, np.ones((3, 3), "u1")), **fine)
        np.testing.assert_array_equal(divided(scene, other), expected)

    @pytest.mark.parametrize("values", [[1, 2, 3, 0], ["Train", "validation", "test", None]])
    def test_polygons(self, tmp_path: Path, scene: Path, values: list[Any]) -> None:
        squares = [(0, 0, 60), (20, 20, 10), (70, 10, 30), (30, 30, 10)]
        expected = np.zeros((HEIGHT, WIDTH), int)
        expected[:60, :60], expected[20:30, 20:30], expected[10:40, 70:100] = 1, 2, 3
        expected[30:40, 30:40] = 0
        path = polygons(tmp_path / "p.gpkg", squares, split=values)
        np.testing.assert_array_equal(divided(scene, path), expected)
        path = polygons(tmp_path / "q.gpkg", squares, part=values)
        np.testing.assert_array_equal(divided(scene, path, "part"), expected)

    def test_that_cannot_be_used(self, tmp_path: Path, scene: Path) -> None:
        path = polygons(tmp_path / "p.gpkg", [(0, 0, 60)], split=["training"])
        with pytest.raises(InputError, match=r"'split' of a polygon in .* is 'training'; it must"):
            divided(scene, path)
        with pytest.raises(InputError, match="no attribute 'part'; they have: split"):
            divided(scene, path, "part")
        with pytest.raises(InputError, match=r"gone\.tif does not exist"):
            divided(scene, tmp_path / "gone.tif")
        with pytest.raises(UsageError, match="did you mean blocks"):
            divided(scene, "block")
        far = polygons(tmp_path / "far.gpkg", [(9000, 0, 60)], split=["train"])
        with pytest.raises(InputError, match=r"far\.gpkg do not overlap s_vv\.tif"):
            divided(scene, far)
        halves = write_raster(tmp_path / "f.tif", np.full((HEIGHT, WIDTH), 0.5, "f4"), **UTM)
        with pytest.raises(InputError, match=r"split raster .*f\.tif holds 0\.5 at row 0"):
            divided(scene, halves)
        with pytest.raises(UsageError, match="--split-attribute is for polygons"):
            divided(scene, "blocks", "part")


shares = st.tuples(*[st.sampled_from([0, 5, 15, 33, 70]) for _ in PARTS]).filter(any)


class TestBlocks:
    @settings(max_examples=60, deadline=None)
    @given(
        st.integers(1, 60), st.integers(1, 60), st.integers(1, 25), st.integers(0, 12), shares,
        st.integers(0, 5),
    )  # fmt: skip
    def test_pixels_of_two_splits_are_further_apart_than_the_guard(
        self, height: int, width: int, size: int, guard: int, shares: Any, seed: int
    ) -> None:
        grid = Bare(height, width)
        try:
            splits = BlockSplits(SpatialBlocks(size, guard, shares, seed), grid)
            unguarded = BlockSplits(SpatialBlocks(size, 0, shares, seed), grid)
        except UsageError:
            return
        codes, own = codes_of(splits, whole(grid)), codes_of(unguarded, whole(grid))
        assert (own > 0).all()
        for code in (1, 2, 3):
            others = (own != code) & (own > 0)
            away = np.full(own.shape, np.inf)
            if others.any():
                away = distance_transform_edt(~others)
            # neither too few nor too many: each that is far enough from the others' blocks
            np.testing.assert_array_equal(codes == code, (own == code) & (away > guard))

    @settings(max_examples=100, deadline=None)
    @given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 25), shares, st.integers(0, 5))
    def test_shares_hold_to_a_block_and_each_split_gets_one(
        self, height: int, width: int, size: int, shares: Any, seed: int
    ) -> None:
        blocks = -(-height // size) * -(-width // size)
        wanted = sum(share > 0 for share in shares)
        grid = Bare(height, width)
        if blocks < wanted:
            with pytest.raises(UsageError, match="too few for "):
                BlockSplits(SpatialBlocks(size, 0, shares, seed), grid)
            return
        codes = codes_of(BlockSplits(SpatialBlocks(size, 0, shares, seed), grid), whole(grid))
        largest = min(size, height) * min(size, width)
        for code, share in enumerate(shares, start=1):
            found = (codes == code).sum()
            assert (found > 0) == (share > 0)
            assert found < share / sum(shares) * height * width + largest

    def test_the_seed_chooses(self) -> None:
        grid = Bare(200, 200)
        one, again, other = (
            codes_of(BlockSplits(SpatialBlocks(20, seed=seed), grid), whole(grid))
            for seed in (3, 3, 4)
        )
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()
        assert (one == 1).mean() == 0.7

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"size": 0}, "--block-size is 0"),
            ({"size": 9, "guard": -1}, "--guard is -1"),
            ({"size": 96, "guard": 200}, "--guard 200 leaves nothing of blocks of 96 pixels"),
            ({"size": 10, "guard": 5}, "--guard 5 leaves nothing"),
            ({"size": 9, "shares": (0, 0, 0)}, "--shares is 0,0,0"),
            ({"size": 9, "shares": (70, -1, 30)}, "--shares is 70,-1,30"),
            ({"size": 9, "seed": -1}, "--split-seed is -1"),
        ],
    )
    def test_that_make_no_sense_are_refused(self, options: dict[str, Any], told: str) -> None:
        with pytest.raises(UsageError, match=told):
            SpatialBlocks(**options)


@pytest.fixture(scope="module", params=["raster", "other grid", "polygons", "blocks"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("splits")
    scene = write_raster(folder / "s_vv.tif", speckle(HEIGHT, WIDTH), **UTM)
    codes = blocky(HEIGHT, WIDTH)
    split: Path | str = "blocks"
    if request.param == "raster":
        split = write_raster(folder / "s.tif", codes, **UTM)
    elif request.param == "other grid":
        turned = UTM | {"transform": UTM["transform"] * Affine.rotation(20)}
        split = write_raster(folder / "s.tif", codes, **turned)
    elif request.param == "polygons":
        squares = [(0, 0, 60), (20, 20, 40), (70, 10, 30)]
        split = polygons(folder / "p.gpkg", squares, split=[1, 2, 3])
    return scene, split


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_window_is_that_window_of_the_whole(pair: Any, data: st.DataObject) -> None:
    path, split = pair
    blocks = SpatialBlocks(23, guard=7, shares=(50, 25, 25))
    with (
        Scene.open([path]) as scene,
        open_splits(str(split), scene, attribute=None, blocks=blocks) as splits,
    ):
        everything = codes_of(splits, whole(scene))
        row, col = data.draw(st.integers(0, HEIGHT - 1)), data.draw(st.integers(0, WIDTH - 1))
        height = data.draw(st.integers(1, HEIGHT - row))
        width = data.draw(st.integers(1, WIDTH - col))
        window = Window(row, col, height, width)
        part = window.slices_in(whole(scene))
        np.testing.assert_array_equal(codes_of(splits, window), everything[part])
    assert set(np.unique(everything)) >= {1, 2, 3}
