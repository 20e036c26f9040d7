"""Whether a model is judged by what it was trained on."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from sarseg.datasets.sample import Split
from sarseg.model.card import ModelCard
from sarseg.scenes.location import file_name


class SceneFacts(Protocol):
    """What tells a scene from others: the files it was read from, rows and columns."""

    @property
    def files(self) -> Sequence[str]: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...


def dataset_leaks(
    card: ModelCard, name: str, digest: str, scenes: Iterable[SceneFacts], part: Split
) -> Iterator[str]:
    """Warnings where chips of a dataset went into the model of ``card``.

    ``digest`` is the dataset's own (``ChipSource.digest``), ``scenes`` those its chips come from.
    """
    if card.training.get("split_digest") == digest:
        if part in ("train", "validation"):
            purpose = "trained on it" if part == "train" else "chosen by it"
            yield (
                f"The model was {purpose}: the {part} part of {name} does not show how well it "
                "does elsewhere. The test part does."
            )
        return
    for scene in scenes:
        if trained := _trained_on(card, scene.files, scene.height, scene.width):
            yield (
                f"The model was trained on the scene {trained}, from which {name} has chips too, "
                "but divided in another way: pixels that are judged here may be among those that "
                "it was trained on."
            )


def scene_leaks(
    card: ModelCard, files: Sequence[str], height: int, width: int, part: Split | None
) -> Iterator[str]:
    """Warnings where the scene ``files`` of ``height`` x ``width`` pixels went into the model.

    ``part`` is the part of the scene that is judged, None for all of it.
    """
    trained = _trained_on(card, files, height, width)
    if trained and part != "test":
        yield (
            f"The model was trained on the scene {trained}: what is judged here may be what it has "
            "seen, and does not show how well it does elsewhere. Give --split, whose test part it "
            "has not seen, or another scene."
        )


def _trained_on(card: ModelCard, files: Sequence[str], height: int, width: int) -> str | None:
    """The name of the training scene of one of these files' names and of that size."""
    names = set(map(file_name, files))
    records: Sequence[dict[str, Any]] = card.training.get("scenes", ())
    for record in records:
        same_size = (record["height"], record["width"]) == (height, width)
        if same_size and names & set(map(file_name, record["files"])):
            return str(record["name"])
    return None
