"""The data that all runs share: what they are, and the chips that a scene is cut into."""

import glob
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from sarseg.comparison.config import DatasetData, SceneData
from sarseg.datasets.chips import write_chips
from sarseg.datasets.source import ChipSource, open_dataset
from sarseg.datasets.splits import BLOCKS, SpatialBlocks
from sarseg.errors import OutputError
from sarseg.evaluation.reference import JudgedPart, ReferenceFiles
from sarseg.filters.choice import filter_chain
from sarseg.model.checkpoints import file_sha256
from sarseg.scenes.output import replacing
from sarseg.scenes.reading import Reading
from sarseg.scenes.unit import parse_unit

CHIPS = "chips"
_DIGEST = "chips.sha256"

_SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg")
"""Files that make a Shapefile: what stands in the first means nothing without the others."""


def data_digest(data: DatasetData | SceneData) -> str:
    """SHA-256 over the content of all files and over how they are read; where they lie is nothing.

    Raises what opening them does.
    """
    digest = hashlib.sha256()
    if isinstance(data, DatasetData):
        source = open_dataset(data.dataset, data.data)
        digest.update(f"{source.digest()} {_meaning(source)}".encode())
        files = [
            path
            for refs in source.splits.values()
            for ref in refs
            for path in (ref.image, ref.labels)
            if path is not None
        ]
        contents = (file_sha256(path) for path in dict.fromkeys(files))
    else:
        read = data.model_dump_json(exclude={"scene", "labels", "classes", "split"})
        digest.update(f"{read} {data.split == BLOCKS}".encode())
        named = [*data.scene, data.labels, data.classes, data.split]
        contents = (one for name in named if name is not None for one in _contents(str(name)))
    for content in contents:
        digest.update(content.encode())
    return digest.hexdigest()


def _meaning(source: ChipSource) -> str:
    """What the numbers in the files of ``source`` mean."""
    told = {
        "classes": [entry.model_dump(mode="json") for entry in source.classes],
        "bands": source.bands,
        "units": [ref.unit for refs in source.splits.values() for ref in refs],
        "filters": source.filters.model_dump(mode="json"),
    }
    return json.dumps(told, sort_keys=True)


def _contents(name: str) -> Iterator[str]:
    """Of a file or of those in a folder; of what lies elsewhere the name has to do."""
    path = Path(name)
    if path.is_file():
        yield from (file_sha256(each) for each in _belonging(path))
    elif path.is_dir():
        yield from (file_sha256(each) for each in sorted(path.rglob("*")) if each.is_file())
    else:
        yield name


def _belonging(path: Path) -> list[Path]:
    """The files that are read with ``path``, itself among them."""
    if path.suffix.lower() != _SHAPEFILE[0]:
        return [path]
    beside = path.parent.glob(f"{glob.escape(path.stem)}.*")
    return sorted(each for each in beside if each.suffix.lower() in _SHAPEFILE)


def chips_of(data: DatasetData | SceneData, folder: Path) -> DatasetData:
    """The chips that all runs train on."""
    if isinstance(data, DatasetData):
        return data
    return DatasetData(dataset=str(folder / CHIPS))


def cut_chips(
    data: SceneData,
    folder: Path,
    digest: str,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[str, ...]:
    """Cut the scene into ``folder``/chips, unless that has been done with the same ``digest``.

    Returns sentences about what a person should know of them. Raises what ``write_chips`` does.
    """
    told = folder / _DIGEST
    if told.is_file() and told.read_text(encoding="utf-8") == digest and (folder / CHIPS).is_dir():
        return ()
    filters = filter_chain(data.despeckle, str(data.looks), {}, data.low_pass, data.high_pass)
    try:
        told.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{told} cannot be replaced: {error.strerror}.") from error
    summary = write_chips(
        data.scene,
        folder / CHIPS,
        size=data.size,
        overlap=data.overlap,
        reading=reading_of(data),
        filters=filters,
        labels=data.labels,
        label_attribute=data.label_attribute,
        class_names=data.classes,
        ignore=data.ignore,
        split=data.split,
        split_attribute=data.split_attribute,
        blocks=_blocks(data),
        overwrite=True,
        progress=progress,
    )
    with replacing(told) as temporary:
        temporary.write_text(digest, encoding="utf-8")
    return summary.doubts


def reading_of(data: SceneData) -> Reading:
    """How the scene is read."""
    return Reading(bands=data.bands, unit=parse_unit(data.input_unit), nodata=data.nodata)


def reference_of(data: SceneData, part: str) -> ReferenceFiles:
    """The labels of one part of the scene."""
    judged = JudgedPart(part, data.split, data.split_attribute, _blocks(data))  # type: ignore[arg-type]
    return ReferenceFiles(data.labels, data.ignore, data.classes, data.label_attribute, judged)


def _blocks(data: SceneData) -> SpatialBlocks:
    given = {
        "guard": data.guard,
        "shares": data.shares,
        "seed": data.split_seed,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    return SpatialBlocks(data.block_size or 2 * data.size, **chosen)  # type: ignore[arg-type]
