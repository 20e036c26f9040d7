"""What sources of chips that alter another one's labels have in common."""

from collections.abc import Mapping, Sequence

from sarseg.classes import LandCoverClass
from sarseg.datasets.sample import ChipRef, ChipSource, Split


class AlteredSource:
    """All of a ``ChipSource`` but ``read`` and ``digest``, as ``source`` has it; what is otherwise
    is put in its place."""

    def __init__(self, source: ChipSource) -> None:
        self._source = source
        self.name = source.name
        self.classes: tuple[LandCoverClass, ...] = source.classes
        self.bands = source.bands
        self.tile_size = source.tile_size
        self.filters = source.filters
        self.pixel_size = source.pixel_size
        self.scenes = source.scenes
        self.splits: Mapping[Split, Sequence[ChipRef]] = source.splits
        self.division = source.division
        self.remarks = source.remarks
