"""Words that sentences of several parts share."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """``1 tile``, ``2 tiles``; ``many`` where it is not ``one`` with an s."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"
