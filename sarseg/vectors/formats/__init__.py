"""The files that polygons are written to, one format each.

Each has ``write(stream, path, *, crs, layer)``: it writes all features of a ``FeatureStream`` to
the new file ``path`` and returns sentences on what the format could not hold. ``path`` may be left
half-written on an exception; who calls it takes care of that (``sarseg.vectors.write``).
"""
