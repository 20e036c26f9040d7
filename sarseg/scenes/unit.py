"""What the numbers of a SAR band are."""

from typing import Literal, get_args

from sarseg.errors import UsageError

Unit = Literal["intensity", "amplitude", "db"]
"""``intensity`` is linear power, ``amplitude`` its square root (DN of a detected product),
``db`` ten times the decimal logarithm of the intensity."""

UnitSource = Literal["option", "tag", "name", "product", "guess"]
"""How the unit came to be known: the user said it, or the tag ``SARSEG_UNIT``, or names of file and
bands, or the product's specification; or the numbers look like it."""

Calibration = Literal["sigma0", "beta0", "gamma0"]
"""Radar cross section by ground area, by slant-range area, by area across the line of sight."""

UNIT_TAG = "SARSEG_UNIT"
"""Tag of a file that says what its numbers are, so that nothing need be guessed."""

CALIBRATION_TAG = "SARSEG_CALIBRATION"
"""Tag of a band that says what it is calibrated to."""


def parse_unit(text: str) -> Unit | None:
    """The unit that an option names; None for ``auto``. Raises UsageError for anything else."""
    for unit in get_args(Unit):
        if text.lower() == unit:
            return unit  # type: ignore[no-any-return]
    if text.lower() == "auto":
        return None
    raise UsageError(
        f"The input unit '{text}' is unknown: choose auto, {', '.join(get_args(Unit))}."
    )


def parse_calibration(text: str) -> Calibration:
    """The calibration that an option names. Raises UsageError for anything else."""
    for calibration in get_args(Calibration):
        if text.lower() == calibration:
            return calibration  # type: ignore[no-any-return]
    raise UsageError(
        f"The calibration '{text}' is unknown: choose {', '.join(get_args(Calibration))}."
    )
