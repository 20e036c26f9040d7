"""What is said on the way."""

import pytest
from rich.console import Console

from sarseg.cli import console


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Console:
    shown = Console(width=80, record=True, force_terminal=True)
    monkeypatch.setattr(console, "stderr", shown)
    return shown


def fail() -> None:
    with console.progress("Tiles"):
        raise ZeroDivisionError


def test_no_bar_is_drawn_before_there_is_progress(terminal: Console) -> None:
    with pytest.raises(ZeroDivisionError):
        fail()
    assert terminal.export_text() == ""


def test_a_bar_shows_how_much_is_done(terminal: Console) -> None:
    with console.progress("Tiles") as report:
        report(1, 3)
        report(2, 3, "as ever")
    drawn = terminal.export_text()
    assert "Tiles" in drawn
    assert "2/3" in drawn
    assert "as ever" in drawn
