from pathlib import Path

import pytest
import rasterio

from sarseg.vectors.class_raster import ClassRaster
from tests.vectors.maps import UTM, blocky, write_map


def test_nobody_waits_for_rows_that_nobody_wants(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(2000, 30), **UTM)
    with rasterio.open(landcover) as dataset:
        raster = ClassRaster("map.tif", dataset)
        assert sum(len(block) for block in raster.rows()) == 2000
        rows = raster.rows()
        next(rows)
        raster.close()
        with pytest.raises(InterruptedError, match=r"map\.tif"):
            next(rows)
