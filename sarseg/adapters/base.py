"""What every adaptation method offers: settings, and how it is installed."""

from abc import abstractmethod

from sarseg.registry import Configured
from sarseg.sam.encoder import ImageEncoder


class AdaptationMethod(Configured):
    """Settings of a way to adapt SAM's image encoder."""

    @abstractmethod
    def install(self, encoder: ImageEncoder) -> None:
        """Freeze what stays of ``encoder`` and add what trains.

        What is added leaves the encoder's output as it is until training moves it; a method that
        cannot promise that says so.
        """
