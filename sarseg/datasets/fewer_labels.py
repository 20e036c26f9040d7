"""A dataset with fewer training labels, as if a person had had less time to draw them."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.altered import AlteredSource
from sarseg.datasets.sample import IGNORE, ChipData, ChipRef, ChipSource, Split

CELL = 8
"""Pixels of a cell's side."""

_SCENE_BYTES = 8
_COL_BITS = 32
_CLASS_BITS = 8


class FewerLabels(AlteredSource):
    """A ``ChipSource`` that keeps about ``share`` (0 < share <= 1) of each class's training labels.

    Labels stay or go in cells of 8 x 8 pixels of the scene, whichever chip shows them. The cells
    have an order that follows from ``seed`` and their place alone; of each class the first ones
    that hold it stay, until ``share`` of its pixels has been kept, a pixel that several chips show
    counted once. Of a class there is at least one cell, and a smaller share is part of a larger
    one. A cell stays with all its classes. Training chips that keep no label are left out; the
    other splits are as they were.

    Labels fewer than ``margin`` pixels from the edge of a chip are not trained on there, as the
    filter is not exact: they do not count, and what stays is a share of those that some chip shows
    farther inside. ``margin`` is less than half a chip.

    All training labels are read at once; raises DatasetError where they cannot be.
    """

    def __init__(self, source: ChipSource, share: float, seed: int, *, margin: int = 0) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"{share} is no share: it is above 0, and 1 at most")
        super().__init__(source)
        self._share, self._seed, self._margin = share, seed, margin
        training: Split = "train"
        whole = source.splits.get(training, ())
        self._thinned = frozenset(whole)
        cells, labelled = _labelled_cells(source, whole, margin)
        self._kept = _kept_cells(cells, share, seed)
        self.splits = {
            **source.splits,
            training: [ref for ref in whole if np.isin(labelled[ref], self._of(ref)).any()],
        }

    def read(self, ref: ChipRef) -> ChipData:
        """Read one chip from disk. Raises DatasetError where its files cannot be used."""
        chip = self._source.read(ref)
        if ref not in self._thinned:
            return chip
        rows, cols = _cells_of(ref, chip.labels.shape)
        cells = _code(np.unique(rows)[:, None], np.unique(cols)[None, :])
        stays = np.isin(cells, self._of(ref))
        stays = stays[np.ix_(rows - rows[0], cols - cols[0])]
        return replace(chip, labels=np.where(stays, chip.labels, np.uint8(IGNORE)))

    def _of(self, ref: ChipRef) -> NDArray[np.int64]:
        """Codes of the cells of the chip's scene that stay."""
        return self._kept.get(_scene(ref), np.zeros(0, np.int64))

    def digest(self) -> str:
        """SHA-256 over the source's digest, the share, the seed and the margin."""
        told = (
            f"{self._source.digest()} {self._share!r} of the labels, seed {self._seed}, "
            f"margin {self._margin}"
        )
        return hashlib.sha256(told.encode()).hexdigest()


def _labelled_cells(
    source: ChipSource, refs: Sequence[ChipRef], margin: int
) -> tuple[dict[str, NDArray[np.int64]], dict[ChipRef, NDArray[np.int64]]]:
    """What is labelled of each scene, and where each chip is, both within the chips' ``margin``.

    A scene's rows (3) are the code of a cell, a class and its pixels there; a cell may come in
    parts. A chip has the codes of the cells in which it has labels.
    """
    exact = np.zeros((source.tile_size, source.tile_size), np.bool_)
    inner = slice(margin, source.tile_size - margin)
    exact[inner, inner] = True
    of_scenes: defaultdict[str, list[NDArray[np.int64]]] = defaultdict(list)
    of_chips = {}
    for ref, fresh in _fresh_parts(refs, source.tile_size, margin):
        chip = source.read(ref)
        labelled = exact & chip.valid & (chip.labels != IGNORE)
        rows, cols = _cells_of(ref, chip.labels.shape)
        codes = np.broadcast_to(_code(rows[:, None], cols[None, :]), fresh.shape)
        of_chips[ref] = np.unique(codes[labelled])
        counted = labelled & fresh
        # one integer for a cell and a class: rows of two are sorted far more slowly
        pairs = (codes[counted] << _CLASS_BITS) | chip.labels[counted]
        found, pixels = np.unique(pairs, return_counts=True)
        classes = found & ((1 << _CLASS_BITS) - 1)
        of_scenes[_scene(ref)].append(np.column_stack([found >> _CLASS_BITS, classes, pixels]))
    return {scene: np.concatenate(parts) for scene, parts in of_scenes.items()}, of_chips


def _kept_cells(
    cells_of: Mapping[str, NDArray[np.int64]], share: float, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Codes of the cells that stay, by scene."""
    if not cells_of:
        return {}
    scenes = list(cells_of)
    number = np.repeat(np.arange(len(scenes)), [len(cells_of[scene]) for scene in scenes])
    ranks = np.concatenate([_ranks(cells_of[scene][:, 0], scene, seed) for scene in scenes])
    codes, classes, pixels = np.concatenate([cells_of[scene] for scene in scenes]).T
    stays = np.zeros(len(codes), np.bool_)
    for index in np.unique(classes):
        (of_class,) = np.nonzero(classes == index)
        ordered = of_class[np.lexsort((number[of_class], ranks[of_class]))]
        so_far = np.cumsum(pixels[ordered])
        stays[ordered[: np.searchsorted(so_far, share * so_far[-1]) + 1]] = True
    ends = np.cumsum([len(cells_of[scene]) for scene in scenes])[:-1]
    parts = zip(np.split(codes, ends), np.split(stays, ends), strict=True)
    return {
        scene: np.unique(of_scene[staying])
        for scene, (of_scene, staying) in zip(scenes, parts, strict=True)
    }


def _fresh_parts(
    refs: Sequence[ChipRef], size: int, margin: int
) -> Iterator[tuple[ChipRef, NDArray[np.bool_]]]:
    """Chips, and which of their pixels (size, size) none before them showed within its margin."""
    for _, of_scene in groupby(sorted(refs, key=_place), _scene):
        shown: list[ChipRef] = []
        for ref in of_scene:
            # chips come in row order: what ends above this one meets none that follows
            shown = [each for each in shown if each.row + size > ref.row]
            fresh = np.ones((size, size), np.bool_)
            for each in shown:
                top, left = each.row - ref.row + margin, each.col - ref.col + margin
                end, right = top + size - 2 * margin, left + size - 2 * margin
                fresh[max(top, 0) : max(end, 0), max(left, 0) : max(right, 0)] = False
            shown.append(ref)
            yield ref, fresh


def _scene(ref: ChipRef) -> str:
    """The chip's scene; a chip of unknown place is one by itself."""
    return f"chip {ref.name}" if ref.scene is None else f"scene {ref.scene}"


def _place(ref: ChipRef) -> tuple[str, int, int]:
    return _scene(ref), ref.row, ref.col


def _cells_of(ref: ChipRef, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row of cells of each of the chip's rows, and column of cells of each of its columns."""
    return (ref.row + np.arange(shape[0])) // CELL, (ref.col + np.arange(shape[1])) // CELL


def _code(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.int64]:
    return (rows << _COL_BITS) | cols


def _ranks(codes: NDArray[np.int64], scene: str, seed: int) -> NDArray[np.uint64]:
    """A random number for each cell, the same whatever else there is.

    The finaliser of SplitMix64 (Steele, Lea and Flood 2014, 10.1145/2660193.2660195), whose
    results differ for all different inputs.
    """
    told = hashlib.sha256(f"{seed} {scene}".encode()).digest()
    mixed = codes.astype(np.uint64) + np.uint64(int.from_bytes(told[:_SCENE_BYTES], "little"))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
