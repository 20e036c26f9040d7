import numpy as np
import shapely

from sarseg.vectors.placement import place
from tests.georeferences import HEIGHT, WIDTH, bent, gcp_georeference


def test_bent_edges_stay_within_a_hundredth_of_a_pixel_of_their_curve() -> None:
    (placed,) = place(np.array([shapely.box(0, 0, WIDTH, HEIGHT)]), gcp_georeference())
    along = np.linspace(0, WIDTH, 1001)
    curve = bent(along, np.zeros_like(along))
    distances = shapely.distance(placed.exterior, shapely.points(curve))
    assert distances.max() < 0.01 * 1.6e-4
    assert placed.is_valid
