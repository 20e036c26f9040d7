"""What the numbers of a SAR band are."""

from typing import Literal, get_args

from sarseg.errors import UsageError

Unit = Literal["intensity", "amplitude", "db"]
"""``intensity`` is linear power, ``amplitude`` its square root (DN of a detected product),
``db`` ten times the decimal logarithm of the intensity."""

UNIT_TAG = "SARSEG_UNIT"
"""Tag of a file that says what its numbers are, so that nothing need be guessed."""


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
