import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.scenes.sentinel1.lookup import AzimuthBlock, Noise, VectorTable
from sarseg.scenes.window import Window
from tests.scenes.sentinel1.safe import BLOCKS, HEIGHT, NOISE, SIGMA, WIDTH, Block, Vector

IMAGE = Window(0, 0, HEIGHT, WIDTH)


def table(*vectors: Vector) -> VectorTable:
    return VectorTable([(v.line, np.array(v.pixels, float), np.array(v.values)) for v in vectors])


def noise(*blocks: Block) -> Noise:
    return Noise(
        table(*NOISE),
        tuple(
            AzimuthBlock(
                block.first_line,
                block.last_line,
                block.first_sample,
                block.last_sample,
                np.array(block.lines, float),
                np.array(block.factors),
            )
            for block in blocks
        ),
    )


@pytest.mark.parametrize(
    ("row", "col", "expected"),
    [
        (0, 0, 100.0),
        (0, 5, 150.0),  # halfway between the pixels of the line above
        (10, 7, 340.0),  # 2 of 5 between 300 and 400
        (5, 5, 225.0),  # the mean of 150 and 300
        (4, 10, 280.0),  # 4 of 10 from 200 to 400
        (0, 99, 200.0),  # beyond the last pixel
        (99, 0, 300.0),  # below the last line
    ],
)
def test_between_lines_with_pixels_of_their_own(row: int, col: int, expected: float) -> None:
    lines = table(Vector(10, (0, 5, 10), (300, 300, 400)), Vector(0, (0, 10), (100, 200)))
    assert lines.at(Window(row, col, 1, 1)) == pytest.approx(expected)


def test_lines_outside_the_image_count() -> None:
    lines = table(Vector(-10, (0, 1), (100, 100)), Vector(30, (0, 1), (500, 500)))
    assert lines.at(Window(0, 0, 3, 1))[:, 0] == pytest.approx([200, 210, 220])


def test_above_the_first_line_its_values_hold() -> None:
    lines = table(Vector(4, (0, 1), (7, 7)), Vector(8, (0, 1), (9, 9)))
    assert lines.at(Window(0, 0, 7, 1))[:, 0] == pytest.approx([7, 7, 7, 7, 7, 7.5, 8])


def test_one_line_or_one_pixel_is_enough() -> None:
    assert (table(Vector(3, (5,), (42.0,))).at(Window(0, 0, 9, 9)) == 42).all()


def test_a_line_told_twice_is_no_gap() -> None:
    twice = table(Vector(0, (0,), (1,)), Vector(2, (0,), (3,)), Vector(2, (0,), (3,)))
    assert twice.at(Window(0, 0, 4, 1))[:, 0] == pytest.approx([1, 2, 3, 3])


@pytest.mark.parametrize(
    ("row", "col", "expected"),
    [
        (20, 10, 840.0 * 1.1625),  # IW1: 910 - 10 / 30 * 210; line 20 is 10 of 40 from 1.25 to 0.9
        (20, 60, 650.0 * (0.8 + 0.2 * 20 / 29)),  # IW2, the block above
        (79, 60, (905.0 - 105.0 * 56 / 115) * 1.2),  # IW2, the block below, after its last line
        (20, 119, 805.0 * 1.05),  # IW3: one factor for all lines
        (75, 119, 800.0),  # below the block of IW3
        (4, 119, 810.0 - 5.0 * 7 / 23),  # above it
    ],
)
def test_noise_by_hand(row: int, col: int, expected: float) -> None:
    assert noise(*BLOCKS).at(Window(row, col, 1, 1)) == pytest.approx(expected)


def test_the_ends_of_a_block_belong_to_it() -> None:
    factor = noise(Block("IW1", 3, 4, 5, 7, (3,), (2.0,))).at(IMAGE) / noise().at(IMAGE)
    expected = np.ones((HEIGHT, WIDTH))
    expected[3:6, 4:8] = 2
    np.testing.assert_allclose(factor, expected)


def test_tables_of_early_processors_are_not_calibrated() -> None:
    assert noise().calibrated
    for value in (0.0, 3e-5):
        assert not Noise(table(Vector(0, (0, 9), (value, value))), ()).calibrated


@st.composite
def windows(draw: st.DrawFn) -> Window:
    row, col = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - 1))
    return Window(row, col, draw(st.integers(1, HEIGHT - row)), draw(st.integers(1, WIDTH - col)))


@given(windows())
def test_a_window_is_that_window_of_the_whole(window: Window) -> None:
    for lookup in (table(*SIGMA), noise(*BLOCKS)):
        np.testing.assert_allclose(
            lookup.at(window), lookup.at(IMAGE)[window.slices_in(IMAGE)], rtol=1e-12
        )
