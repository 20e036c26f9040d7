"""Whether a model takes a scene."""

from sarseg.inspection.report import Report
from sarseg.model.card import ModelCard
from sarseg.prediction.fit import bands_used, doubts, picks_of
from sarseg.scenes.reader import Scene


class FitReport(Report):
    """``bands`` are the scene's bands that fill slots of the model, ``empty`` the slots without;
    ``doubts`` what a person should check before trusting a map."""

    bands: tuple[str, ...]
    empty: tuple[str, ...]
    doubts: tuple[str, ...]


def inspect_fit(scene: Scene, card: ModelCard) -> FitReport:
    """How ``scene`` fits the model of ``card``. Raises ModelError where it does not."""
    picks = picks_of(scene, card)
    return FitReport(
        bands=bands_used(scene, card),
        empty=tuple(
            slot.name for slot, pick in zip(card.inputs.slots, picks, strict=True) if pick is None
        ),
        doubts=tuple(doubts(scene, card)),
    )
