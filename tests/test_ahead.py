import threading
import time
from collections.abc import Iterator

import pytest

from sarseg.ahead import Ahead


def test_items_come_in_order_from_another_thread() -> None:
    seen: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            seen.append(threading.get_ident())
            yield number

    with Ahead(items(), 3) as ahead:
        assert list(ahead) == list(range(20))
    assert threading.get_ident() not in seen


def test_it_runs_ahead_no_further_than_it_may() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with Ahead(items(), 3) as ahead:
        each = iter(ahead)
        assert next(each) == 0
        deadline = time.monotonic() + 10
        while len(made) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(made) == 5  # one taken, three waiting, one in hand


def test_what_goes_wrong_is_raised_in_its_turn() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with Ahead(items(), 5) as ahead:
        each = iter(ahead)
        assert next(each) == 1
        with pytest.raises(ValueError, match="broken"):
            next(each)


def test_at_its_end_nothing_runs_any_more() -> None:
    """Two stages, of which the second waits for the first, which is slow."""
    closed: list[str] = []
    before = threading.active_count()

    def slow() -> Iterator[int]:
        try:
            for number in range(1_000):
                time.sleep(0.01)
                yield number
        finally:
            closed.append("first")

    def second(first: Ahead[int]) -> Iterator[int]:
        try:
            with first:
                yield from first
        finally:
            closed.append("second")

    with Ahead(second(Ahead(slow(), 1)), 1) as ahead:
        assert next(iter(ahead)) == 0
    assert closed == ["first", "second"]
    assert threading.active_count() == before
