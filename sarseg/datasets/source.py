"""Opening a dataset by what the user calls it: a published dataset, or a folder of a user's own."""

from pathlib import Path

from sarseg.datasets.chip_folder import ChipFolder, chip_folders
from sarseg.datasets.fusar import RELEASES, FusarSource
from sarseg.datasets.image_masks import ImageMaskFolder, is_image_mask_folder
from sarseg.datasets.sample import IGNORE, ChipData, ChipRef, ChipSource, Split
from sarseg.errors import DatasetError, UsageError

__all__ = ["IGNORE", "ChipData", "ChipRef", "ChipSource", "Split", "is_dataset", "open_dataset"]


def open_dataset(dataset: str, data: Path | None = None) -> ChipSource:
    """Open ``dataset``: ``fusar`` or ``fusar2``, a folder written by ``sarseg tile`` or of such
    folders, or a folder of images and masks.

    ``data`` is the folder of a published dataset, searched for in its usual places without it.

    Raises DatasetError where the data are missing or inconsistent, UsageError where ``data`` is
    given for a folder.
    """
    if dataset in RELEASES:
        return FusarSource.find(RELEASES[dataset], data)
    if data is not None:
        raise UsageError(
            f"--data names the folder of a published dataset ({', '.join(RELEASES)}), but the "
            f"dataset is the folder {dataset}. Leave --data out."
        )
    folder = Path(dataset)
    if _is_chip_folder(folder):
        return ChipFolder.open(folder)
    if is_image_mask_folder(folder):
        return ImageMaskFolder.open(folder)
    found = "holds none of these" if folder.is_dir() else "is no folder"
    raise DatasetError(
        f"A dataset is {' or '.join(RELEASES)}, a folder of chips (sarseg tile SCENE --labels "
        "LABELS -o FOLDER), or a folder that holds images/ and masks/, itself or in train/, "
        f"validation/ and test/; {dataset} {found}."
    )


def is_dataset(text: str) -> bool:
    """True for what ``open_dataset`` takes for a dataset, usable or not."""
    folder = Path(text)
    return text in RELEASES or _is_chip_folder(folder) or is_image_mask_folder(folder)


def _is_chip_folder(folder: Path) -> bool:
    return folder.is_dir() and bool(chip_folders(folder))
