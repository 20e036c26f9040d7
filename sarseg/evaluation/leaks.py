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
    card: ModelCard,
    files: Sequence[str],
    height: int,
    width: int,
    part: Split | None,
    division: str | None,
) -> Iterator[str]:
    """Warnings where the scene ``files`` of ``height`` x ``width`` pixels went into the model.

    ``part`` is the part of the scene that is judged, None for all of it, and ``division`` how its
    pixels are divided (``Splits.description``).
    """
    trained = _trained_on(card, files, height, width)
    if not trained:
        return
    if part != "test" or division is None:
        yield (
            f"The model was trained on the scene {trained}: what is judged here may be what it has "
            "seen, and does not show how well it does elsewhere. Give the --split that its chips "
            "were cut by, whose test part it has not seen, or another scene."
        )
    elif division not in card.training.get("division", ""):
        how = card.training.get("division") or "not recorded"
        yield (
            f"The model was trained on the scene {trained}, whose pixels were divided in another "
            f"way ({how}): the test part that is judged here may be what it has seen."
        )


def _trained_on(card: ModelCard, files: Sequence[str], height: int, width: int) -> str | None:
    """The name, quoted, of the first of these files that a training scene of that size has."""
    records: Sequence[dict[str, Any]] = card.training.get("scenes", ())
    for record in records:
        same_size = (record["height"], record["width"]) == (height, width)
        trained = set(map(file_name, record["files"]))
        if same_size and (known := [name for name in map(file_name, files) if name in trained]):
            return repr(known[0])
    return None
