"""Many scenes at once: which of them a folder holds, or a pattern of paths."""

import glob
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from sarseg.errors import InputError
from sarseg.scenes import sentinel1
from sarseg.scenes.archive import RASTER_SUFFIXES, rasters_in, visible
from sarseg.scenes.location import file_name
from sarseg.scenes.naming import layers_in
from sarseg.scenes.polarisation import POLARISATIONS, around_polarisations

Files = tuple[str, ...]
"""The files of one scene, as ``Scene.open`` takes them."""


def scenes_in(folder: Path, leave_out: Path | None = None) -> list[Files]:
    """The scenes in ``folder``, in the order of their names.

    A folder whose rasters make one scene is that scene. Else each raster, zip file and product that
    lies directly in it is one; rasters whose names differ in the polarisation only make one scene
    together, with the auxiliary bands whose names begin like theirs. What is hidden, and what is
    no raster by its suffix, is passed over; so is the folder ``leave_out``.

    Raises InputError where no scene is found.
    """
    if _is_one_scene(folder):
        return [(str(folder),)]
    scenes = _scenes_among(_without(_listed(folder), leave_out))
    if not scenes:
        raise InputError(
            f"{folder} is a folder without a scene in it: give a folder that rasters or products "
            f"lie in directly, or a pattern in quotes, as in '{folder}/**/*.tif'."
        )
    return scenes


def scenes_matching(pattern: str, leave_out: Path | None = None) -> list[Files]:
    """The scenes that ``pattern`` names, as ``scenes_in`` finds them among files and folders.

    ``*``, ``?`` and ``[...]`` are as in shells, and ``**`` stands for any number of folders. Files
    that are no rasters by their suffix count where nothing else matches.

    Raises InputError where nothing matches.
    """
    named = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute ones
    matches = _without(map(Path, named), leave_out)
    found: set[Path] = set()
    for match in matches:
        found.update(_listed(match) if match.is_dir() and not _is_one_scene(match) else [match])
    paths = _without(sorted(found), leave_out)
    files: list[Files] = [(str(path),) for path in paths if path.is_file()]
    scenes = _scenes_among(paths) or files
    if not scenes:
        raise InputError(f"Nothing matches {pattern}: check the path and the pattern.")
    return scenes


def _scenes_among(paths: Collection[Path]) -> list[Files]:
    whole = {path for path in paths if _is_whole(path)}

    def inside(path: Path) -> bool:
        return not whole.isdisjoint(path.parents)

    rasters = [path for path in paths if _is_raster(path) and not inside(path)]
    scenes = [[path] for path in whole if not inside(path)] + _by_product(rasters)
    return sorted(tuple(map(str, scene)) for scene in scenes)


def _by_product(rasters: Iterable[Path]) -> list[list[Path]]:
    """The rasters of each scene, those that its outputs are called after first."""
    alone: list[list[Path]] = []
    products: dict[tuple[Path, tuple[str, ...]], list[Path]] = {}
    auxiliary = []
    for raster in rasters:
        layers = layers_in(raster.name)
        if not layers:
            alone.append([raster])
        elif _is_backscatter(layers):
            key = raster.parent, around_polarisations(raster.stem)
            products.setdefault(key, []).append(raster)
        else:
            auxiliary.append(raster)
    scenes = []
    for files in products.values():
        times = Counter(layer for file in files for layer in layers_in(file.name))
        if max(times.values()) > 1:
            alone.extend([file] for file in files)
        else:
            scenes.append(sorted(files, key=_co_polarised_first))
    for raster in auxiliary:
        if (scene := _scene_of(raster, scenes)) is not None:
            scene.append(raster)
    return alone + scenes


def _scene_of(auxiliary: Path, scenes: Sequence[list[Path]]) -> list[Path] | None:
    """The one scene whose names begin like that of an auxiliary raster, up to the polarisation."""
    by_start: dict[str, list[list[Path]]] = {}
    for scene in scenes:
        start = around_polarisations(scene[0].stem)[0]
        if start and auxiliary.name.startswith(start) and auxiliary.parent == scene[0].parent:
            by_start.setdefault(start, []).append(scene)
    closest = by_start[max(by_start, key=len)] if by_start else []
    return closest[0] if len(closest) == 1 else None


def _co_polarised_first(raster: Path) -> tuple[bool, str]:
    polarisation = layers_in(raster.name)[0]
    return polarisation[0] != polarisation[1], raster.name


def _is_whole(path: Path) -> bool:
    """True where ``path`` is a scene by itself, whatever lies beside it."""
    if path.is_dir():
        return _is_one_scene(path)
    return _is_product_file(path)


def _is_one_scene(folder: Path) -> bool:
    if sentinel1.find(str(folder)) is not None:
        return True
    try:
        if any(map(_is_product, _listed(folder))):
            return False
        names = [file_name(raster) for raster in rasters_in(str(folder))]
    except InputError:
        return False
    layers = [layer for name in names for layer in layers_in(name)]
    return _has_raster_suffix(names[0]) and (not layers or _is_backscatter(layers))


def _is_product(path: Path) -> bool:
    return _is_product_file(path) or (path.suffix.lower() == ".safe" and path.is_dir())


def _is_product_file(path: Path) -> bool:
    return (path.suffix.lower() == ".zip" or path.name == "manifest.safe") and path.is_file()


def _is_raster(path: Path) -> bool:
    return _has_raster_suffix(path.name) and path.is_file()


def _has_raster_suffix(name: str) -> bool:
    return Path(name).suffix.lower() in RASTER_SUFFIXES


def _is_backscatter(layers: Sequence[str]) -> bool:
    return any(layer in POLARISATIONS for layer in layers)


def _without(paths: Iterable[Path], leave_out: Path | None) -> list[Path]:
    if leave_out is None:
        return list(paths)
    place = leave_out.resolve()
    return [path for path in paths if not path.is_dir() or path.resolve() != place]


def _listed(folder: Path) -> list[Path]:
    try:
        return visible(folder)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be read: {error.strerror}.") from error
