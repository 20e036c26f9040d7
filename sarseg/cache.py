"""The folder for what can be fetched again: published datasets and weights."""

import os
import sys
from pathlib import Path

CACHE_VARIABLE = "SARSEG_CACHE"
"""Environment variable: sarseg's cache folder, in place of the platform's usual one."""


def cache_folder() -> Path:
    """``SARSEG_CACHE``, else ``sarseg`` in the user's cache folder; it need not exist."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser()
    return _user_cache() / "sarseg"


def _user_cache() -> Path:
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        folder = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        folder = "~/Library/Caches"
    else:
        folder = "~/.cache"
    return Path(folder).expanduser()
