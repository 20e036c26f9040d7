"""sarseg: land-cover mapping from SAR scenes with the Segment Anything Model."""

__version__ = "0.1.0"
