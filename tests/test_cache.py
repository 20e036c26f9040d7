"""Where the cache folder lies."""

import sys
from pathlib import Path

import pytest

from sarseg.cache import cache_folder


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SARSEG_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))


@pytest.mark.parametrize(
    ("platform", "folder"),
    [
        ("linux", ".cache/sarseg"),
        ("darwin", "Library/Caches/sarseg"),
        ("win32", "AppData/Local/sarseg"),
    ],
)
def test_each_platform_has_its_usual_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, folder: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == tmp_path / folder


def test_windows_may_have_moved_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local" / "sarseg"


def test_the_variable_names_the_folder_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "sarseg"
    monkeypatch.setenv("SARSEG_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"
