"""Which bands a model takes, and which of a scene's bands it is given."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from sarseg.errors import ModelError


class BandSlot(BaseModel):
    """One input of a model: a name to show, and the scene bands that may fill it, best first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    accepts: tuple[str, ...] = Field(min_length=1)


class BandInputs(BaseModel):
    """All inputs of a model, in the order in which it takes them.

    ``optional`` models were trained with bands dropped at random: any one slot filled is enough,
    and an empty slot is fed zeros (the training mean).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slots: tuple[BandSlot, ...] = Field(min_length=1)
    optional: bool = False

    def __len__(self) -> int:
        return len(self.slots)


CO_AND_CROSS_POL = BandInputs(
    slots=(
        BandSlot(name="co-polarised", accepts=("VV", "HH")),
        BandSlot(name="cross-polarised", accepts=("VH", "HV")),
    ),
    optional=True,
)
"""Inputs of the embedded model: one co-polarised band, one cross-polarised band, or both."""


_QUAD_POL = frozenset(("HH", "HV", "VH", "VV"))

_CHANNELS_FROM_BANDS: dict[int, list[list[float]]] = {
    1: [[1.0], [1.0], [1.0]],
    2: [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]],
    3: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    4: [[1.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0]],
}

_CHANNELS = 3


def channels_from_bands(inputs: BandInputs) -> list[list[float]]:
    """How each of SAM's three input channels is mixed from the bands: weights ``[3][bands]``.

    One band fills all three; of two the third channel is the mean; three are taken as they are.
    Quad-pol becomes HH, the mean of HV and VH (equal by reciprocity), VV, in whatever order the
    bands come; of four other bands the middle two are averaged. Of more bands, band i goes to
    channel i modulo 3, and each channel is the mean of its bands; these weights are a beginning,
    and train with the model (``mixes_by_training``).
    """
    names = [slot.name for slot in inputs.slots]
    if set(names) == _QUAD_POL:
        weights = {"HH": (1.0, 0.0, 0.0), "VV": (0.0, 0.0, 1.0)}
        columns = [weights.get(name, (0.0, 0.5, 0.0)) for name in names]
        return [list(row) for row in zip(*columns, strict=True)]
    if mixes_by_training(inputs):
        shares = [len(range(channel, len(names), _CHANNELS)) for channel in range(_CHANNELS)]
        return [
            [(band % _CHANNELS == channel) / share for band in range(len(names))]
            for channel, share in enumerate(shares)
        ]
    return _CHANNELS_FROM_BANDS[len(names)]


def mixes_by_training(inputs: BandInputs) -> bool:
    """True where there are more bands than a fixed rule can mix into three without much loss."""
    return len(inputs) > max(_CHANNELS_FROM_BANDS)


def exact_inputs(bands: Sequence[str], *, optional: bool = False) -> BandInputs:
    """Inputs of a model trained on just these bands: all of them needed, unless ``optional``."""
    slots = tuple(BandSlot(name=band, accepts=(band,)) for band in bands)
    return BandInputs(slots=slots, optional=optional)


def select_bands(
    inputs: BandInputs, available: Sequence[str], source: str
) -> tuple[int | None, ...]:
    """Index into ``available`` for each slot of ``inputs``, or None where the slot stays empty.

    Among several choices, bands with the same transmitted polarisation (HH + HV, VV + VH) come
    first, as they were recorded together. ``source`` names the scene in the error.

    Raises ModelError when a slot that must be filled is not.
    """
    choices = [[band for band in slot.accepts if band in available] for slot in inputs.slots]
    filled = [choice for choice in choices if choice]
    if not filled or (len(filled) < len(inputs) and not inputs.optional):
        raise ModelError(_misfit(inputs, available, source))
    transmitted = _shared_transmit_polarisation([band for choice in filled for band in choice])
    picks: list[int | None] = []
    for choice in choices:
        preferred = [band for band in choice if band[0] == transmitted] or choice
        picks.append(available.index(preferred[0]) if preferred else None)
    return tuple(picks)


def _shared_transmit_polarisation(candidates: Sequence[str]) -> str:
    """First letter that the most candidate bands have in common."""
    letters = [band[0] for band in candidates]
    return max(sorted(set(letters), reverse=True), key=letters.count)


def _misfit(inputs: BandInputs, available: Sequence[str], source: str) -> str:
    wanted = [
        slot.name if slot.accepts == (slot.name,) else f"{slot.name} ({' or '.join(slot.accepts)})"
        for slot in inputs.slots
    ]
    needed = (
        f"at least one of: {', '.join(wanted)}"
        if inputs.optional and len(wanted) > 1
        else f"all of: {', '.join(wanted)}"
        if len(wanted) > 1
        else wanted[0]
    )
    return (
        f"{source} has the bands {', '.join(available)}, but the model takes {needed}. "
        "Give the files of those bands, name the bands with --bands, "
        "or choose a model trained on what you have."
    )
