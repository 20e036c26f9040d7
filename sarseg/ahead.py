"""A stage of work that runs ahead of the next, in a thread of its own."""

from collections.abc import Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK_UP_SECONDS = 0.1
"""How long the thread waits before it looks whether it is to stop."""


class _End:
    """No more items; ``error`` is why, where something went wrong."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Ahead(Generic[T]):
    """An iterator over ``items``, which are made in a thread of their own, up to ``depth`` ahead.

    What goes wrong there is raised here, in its turn. A context manager: at its end the thread has
    ended, and ``items`` is closed.
    """

    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._items = items
        self._made: Queue[T | _End] = Queue(depth)
        self._stop = Event()
        self._thread = Thread(target=self._make, daemon=True)

    def __enter__(self) -> "Ahead[T]":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._made.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _make(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    break
            else:
                self._put(_End())
        except BaseException as error:  # also what only ends a thread: it is raised where it counts
            self._put(_End(error))
        finally:
            if close := getattr(self._items, "close", None):
                close()

    def _put(self, item: T | _End) -> bool:
        """False where nobody wants more."""
        while not self._stop.is_set():
            try:
                self._made.put(item, timeout=_LOOK_UP_SECONDS)
                return True
            except Full:
                continue
        return False
