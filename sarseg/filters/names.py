"""Words that stand for what is no filter and no number."""

NO_FILTER = "none"
"""No speckle filter."""

AUTO = "auto"
"""A number of looks that is to be estimated."""
