"""Sentinel-1 products in the SAFE format as scenes of calibrated backscatter."""

from sarseg.scenes.sentinel1.opening import open_product
from sarseg.scenes.sentinel1.product import Product, find

__all__ = ["Product", "find", "open_product"]
