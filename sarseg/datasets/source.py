"""Opening a dataset by what the user calls it: a folder of chips, or a published dataset."""

from pathlib import Path

from sarseg.datasets.chip_folder import ChipFolder
from sarseg.datasets.fusar import RELEASES, FusarSource
from sarseg.datasets.sample import IGNORE, ChipData, ChipRef, ChipSource, Split
from sarseg.errors import UsageError

__all__ = ["IGNORE", "ChipData", "ChipRef", "ChipSource", "Split", "open_dataset"]


def open_dataset(dataset: str, data: Path | None = None) -> ChipSource:
    """Open ``dataset``: a folder written by ``sarseg tile``, or ``fusar`` or ``fusar2``.

    ``data`` is the folder of a published dataset, searched for in its usual places without it.

    Raises DatasetError where the data are missing or inconsistent, UsageError where ``data`` is
    given for a folder of chips.
    """
    if dataset in RELEASES:
        return FusarSource.find(RELEASES[dataset], data)
    if data is not None:
        raise UsageError(
            f"--data names the folder of a published dataset ({', '.join(RELEASES)}), but the "
            f"dataset is the folder {dataset}. Leave --data out."
        )
    return ChipFolder.open(Path(dataset))
