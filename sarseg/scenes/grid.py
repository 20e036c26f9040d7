"""What is known of a raster that other data are laid on."""

from typing import Protocol

from sarseg.scenes.georeference import Georeference
from sarseg.scenes.window import Window


class Grid(Protocol):
    """The pixels of a scene, or of any raster that labels are wanted for.

    ``name`` is for sentences; ``georeference`` is that of the window ``cut`` of the grid ``whole``,
    which differs where an area of interest limits a scene.
    """

    @property
    def name(self) -> str: ...

    @property
    def georeference(self) -> Georeference: ...

    @property
    def whole(self) -> Georeference: ...

    @property
    def cut(self) -> Window: ...
