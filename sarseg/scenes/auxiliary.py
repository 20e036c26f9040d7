"""Bands beside the backscatter: what they are called here."""

INCIDENCE_ANGLE = "incidence_angle"
LOCAL_INCIDENCE_ANGLE = "local_incidence_angle"
ELEVATION = "elevation"
LAYOVER_SHADOW = "layover_shadow"

AUXILIARY = (INCIDENCE_ANGLE, LOCAL_INCIDENCE_ANGLE, ELEVATION)
"""Measurements that a model may take beside the backscatter."""


def is_auxiliary(name: str) -> bool:
    """True for the name of a band that holds no backscatter and is never despeckled."""
    return name in AUXILIARY
