"""Writing tensors to a file."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from sarseg.errors import OutputError
from sarseg.scenes.output import replacing


def write_tensors(
    path: Path, state: dict[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all. Raises OutputError."""
    with replacing(path) as temporary:
        try:
            save_file(state, temporary, metadata)
        except SafetensorError as error:  # a full disk, for one, is no OSError here
            raise OutputError(f"{path} could not be written: {error}.") from error
