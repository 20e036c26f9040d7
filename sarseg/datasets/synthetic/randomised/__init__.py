"""Patches of country that no sensor saw, as different from one another as sensors and crops are.

Domain randomisation (Tobin et al. 2017, arXiv 1703.06907): what is learned from enough of them does
not depend on one sensor, band, number of looks or legend. `draw_patch` puts a patch together:
parcels, then the classes' signatures, then the sensor.
"""

from sarseg.datasets.synthetic.randomised.patch import CHANNELS, Patch, draw_patch

__all__ = ["CHANNELS", "Patch", "draw_patch"]
