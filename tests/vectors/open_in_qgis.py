"""Opens files as QGIS does and prints as JSON what it makes of them; for Python with QGIS.

open_in_qgis.py FOLDER FILE...: a FILE is a raster, or polygons as QGIS names them
(``x.gpkg|layername=y``). Each is drawn to FOLDER, 400 pixels wide, as <number>.png.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def describe(layer):
    """The classes that the layer is drawn by: value, label, RGB."""
    renderer = layer.renderer()
    if isinstance(layer, QgsRasterLayer):
        found = []
        if renderer.type() == "paletted":
            found = [(item.value, item.label, item.color) for item in renderer.classes()]
    else:
        found = []
        if renderer.type() == "categorizedSymbol":
            found = [
                (category.value(), category.label(), category.symbol().color())
                for category in renderer.categories()
            ]
    return {
        "renderer": renderer.type(),
        "classes": [[value, label, list(c.getRgb()[:3])] for value, label, c in found],
    }


def draw(layer, path):
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setBackgroundColor(QColor(255, 255, 255))
    extent = layer.extent()
    settings.setOutputSize(QSize(400, round(400 * extent.height() / extent.width())))
    settings.setExtent(extent)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(str(path))


def opened(name, picture):
    if Path(name).suffix == ".tif":
        layer = QgsRasterLayer(name, "raster")
    else:
        layer = QgsVectorLayer(name, "polygons", "ogr")
    if not layer.isValid():
        return {"valid": False}
    message, loaded = layer.loadDefaultStyle()
    draw(layer, picture)
    return {"valid": True, "loaded": loaded, "message": message, **describe(layer)}


def main(folder, names):
    application = QgsApplication([], False)
    application.initQgis()
    pictures = [Path(folder) / f"{number}.png" for number in range(len(names))]
    print(json.dumps(list(map(opened, names, pictures))))
    application.exitQgis()


main(sys.argv[1], sys.argv[2:])
