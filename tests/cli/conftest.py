import io
import signal
import sys

import pytest

from sarseg.cli import main
from tests.cli.running import Run, Sarseg


@pytest.fixture
def sarseg(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sarseg:
    """Run the command line in this process."""

    def run(*arguments: object, stdin: str = "") -> Run:
        monkeypatch.setattr(sys, "argv", ["sarseg", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as stopped:
            main()
        signal.signal(signal.SIGTERM, before)
        return Run(stopped.value.code or 0, *capsys.readouterr())  # type: ignore[arg-type]

    return run
