"""Boundary F1 against cases counted by hand and a plain computation over whole images."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from sarseg.assessment.boundary import BoundaryF1, BoundaryScores

K = 3
Image = NDArray[np.uint8]


def scores_of(*images: tuple[Image, Image], tolerance: int, classes: int = K) -> BoundaryScores:
    boundary = BoundaryF1(classes, tolerance)
    for reference, predicted in images:
        boundary.add_rows(reference, predicted)
        boundary.next_image()
    return boundary.scores()


def plain_edges(labels: NDArray[np.int64], label: int, judged: NDArray[np.bool_]) -> Image:
    """Pixel by pixel, from the definition."""
    height, width = labels.shape
    edges = np.zeros(labels.shape, bool)
    for y, x in np.argwhere(judged & (labels == label)):
        for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= ny < height and 0 <= nx < width and judged[ny, nx]:
                edges[y, x] |= labels[ny, nx] != label
    return edges


def plain_f1(reference: Image, predicted: Image, tolerance: int) -> list[tuple[float, float]]:
    """Precision and recall of each class, by distance transforms of whole images."""
    judged = reference < K
    guess = np.minimum(predicted.astype(int), K)
    figures = []
    for label in range(K):
        mapped = plain_edges(guess, label, judged)
        true = plain_edges(reference.astype(int), label, judged)

        def near(one: Image, other: Image) -> float:
            if not one.any():
                return float("nan")
            if not other.any():
                return 0.0
            return float((distance_transform_edt(~other)[one] <= tolerance).mean())

        figures.append((near(mapped, true), near(true, mapped)))
    return figures


@st.composite
def image_pairs(draw: st.DrawFn) -> tuple[Image, Image]:
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 9)))
    elements = st.sampled_from([0, 0, 0, 1, 1, 2, 255])
    return draw(arrays(np.uint8, shape, elements=elements)), draw(
        arrays(np.uint8, shape, elements=elements)
    )


def stripe(column: int, width: int = 12, height: int = 6) -> Image:
    """Class 1 from ``column`` on, class 0 before."""
    return np.tile((np.arange(width) >= column).astype(np.uint8), (height, 1))


def test_a_perfect_map_has_perfect_boundaries() -> None:
    found = scores_of((stripe(5), stripe(5)), tolerance=0)
    assert found.precision[:2] == found.recall[:2] == found.f1[:2] == (1, 1)
    assert np.isnan([found.precision[2], found.recall[2], found.f1[2]]).all()
    assert found.mean == 1


@pytest.mark.parametrize(("tolerance", "expected"), [(0, 0.0), (1, 0.0), (2, 1.0)])
def test_a_shift_counts_from_the_tolerance_on(tolerance: int, expected: float) -> None:
    assert scores_of((stripe(5), stripe(7)), tolerance=tolerance).mean == expected


def test_the_disk_is_euclidean() -> None:
    reference, predicted = np.zeros((2, 9, 9), np.uint8)
    reference[4, 4] = 1
    predicted[6, 6] = 1  # 2.83 pixels away
    assert scores_of((reference, predicted), tolerance=2).f1[1] == 0
    assert scores_of((reference, predicted), tolerance=3).f1[1] == 1


def test_a_case_counted_by_hand() -> None:
    reference = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]], np.uint8)
    predicted = np.array([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 0]], np.uint8)
    found = scores_of((reference, predicted), tolerance=0, classes=2)
    # Mapped boundary of 0: (0,1) (1,0) (2,1) (2,3), two right, and (2,0) has no other neighbour.
    assert found.precision[0] == 2 / 4
    assert found.recall[0] == 2 / 3
    # Of 1: (0,2) (1,1) (1,3) (2,2), and (1,2), (0,3) are inside.
    assert found.precision[1] == 2 / 4
    assert found.recall[1] == 2 / 3
    f1 = 2 * (1 / 2) * (2 / 3) / (1 / 2 + 2 / 3)
    assert found.f1 == pytest.approx((f1, f1))
    assert found.mean == pytest.approx(f1)


def test_unlabelled_pixels_make_no_boundary_and_are_not_judged() -> None:
    reference = stripe(5)
    reference[:, 5:7] = 255
    # The classes touch nowhere in the reference; what is mapped in the gap does not count.
    found = scores_of((reference, stripe(6)), tolerance=0)
    assert np.isnan(found.precision).all()
    assert np.isnan(found.recall).all()
    assert np.isnan(found.mean)


def test_a_hole_of_no_class_in_the_map_is_a_wrong_boundary() -> None:
    reference, predicted = np.zeros((2, 7, 7), np.uint8)
    predicted[3, 3] = 255
    found = scores_of((reference, predicted), tolerance=1)
    assert found.precision[0] == 0
    assert np.isnan(found.mean)


def test_a_class_that_is_missed_scores_nothing() -> None:
    found = scores_of((stripe(5), np.zeros((6, 12), np.uint8)), tolerance=3)
    assert found.f1[:2] == (0, 0)
    assert np.isnan(found.precision[:2]).all()
    assert found.mean == 0


@settings(deadline=None, max_examples=60)
@given(image_pairs(), st.integers(0, 4))
def test_agrees_with_the_definition(pair: tuple[Image, Image], tolerance: int) -> None:
    found = scores_of(pair, tolerance=tolerance)
    expected = plain_f1(*pair, tolerance)
    assert found.precision == pytest.approx([figure[0] for figure in expected], nan_ok=True)
    assert found.recall == pytest.approx([figure[1] for figure in expected], nan_ok=True)


@settings(deadline=None)
@given(image_pairs(), st.integers(0, 4), st.data())
def test_rows_in_any_pieces_give_the_same(
    pair: tuple[Image, Image], tolerance: int, data: st.DataObject
) -> None:
    height = len(pair[0])
    cuts = sorted(data.draw(st.lists(st.integers(0, height), max_size=height)))
    pieces = BoundaryF1(K, tolerance)
    for first, last in zip([0, *cuts], [*cuts, height], strict=True):
        pieces.add_rows(pair[0][first:last], pair[1][first:last])
        pieces.scores()  # asking in between changes nothing
    whole = scores_of(pair, tolerance=tolerance)
    np.testing.assert_equal(asdict(pieces.scores()), asdict(whole))


@settings(deadline=None, max_examples=30)
@given(image_pairs(), image_pairs())
def test_images_do_not_touch(first: tuple[Image, Image], second: tuple[Image, Image]) -> None:
    np.testing.assert_equal(
        asdict(scores_of(first, second, tolerance=2)),
        asdict(scores_of(second, first, tolerance=2)),
    )
    flat = np.zeros((3, 4), np.uint8)
    one_class_each = scores_of((flat, flat), (flat + 1, flat + 1), tolerance=2)
    assert np.isnan(one_class_each.mean)


@pytest.mark.parametrize("height", [1, 3, 40])
def test_few_rows_are_held(height: int) -> None:
    tolerance = 3
    boundary = BoundaryF1(K, tolerance)
    piece = np.zeros((height, 16), np.uint8)
    for _ in range(200):
        boundary.add_rows(piece, piece)
        assert boundary._rows is not None
        assert boundary._rows.shape[1] <= 2 * (tolerance + 1)
        assert boundary._rows.base is None  # not a view that keeps all rows alive


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="tolerance of -1"):
        BoundaryF1(K, -1)
    boundary = BoundaryF1(K, 1)
    with pytest.raises(ValueError, match="differ"):
        boundary.add_rows(np.zeros((2, 4), np.uint8), np.zeros((2, 5), np.uint8))
    boundary.add_rows(*np.zeros((2, 2, 4), np.uint8))
    with pytest.raises(ValueError, match="rows of 5 pixels after 4"):
        boundary.add_rows(*np.zeros((2, 2, 5), np.uint8))
