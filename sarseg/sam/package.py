"""Access to the modules of the ``segment_anything`` package.

``import segment_anything`` needs torchvision, for an image predictor that sarseg does not use.
Where that import fails, the package is registered without running its ``__init__``; its model
modules then import like any others.
"""

import importlib
import importlib.util
import sys
from types import ModuleType

_PACKAGE = "segment_anything"


def _register() -> None:
    try:
        importlib.import_module(_PACKAGE)
    except (ImportError, RuntimeError):  # torchvision absent, or built for another torch
        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None:
            raise
        sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{_PACKAGE}.modeling.{name}")


_register()
common = _module("common")
image_encoder = _module("image_encoder")
mask_decoder = _module("mask_decoder")
prompt_encoder = _module("prompt_encoder")
transformer = _module("transformer")
