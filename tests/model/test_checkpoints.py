"""Released checkpoints: found in the cache, and told from damaged and foreign files."""

import hashlib
from pathlib import Path

import pytest

from sarseg.errors import InputError
from sarseg.model import checkpoints
from sarseg.model.checkpoints import RELEASED, Checkpoint, cached, is_intact, verify, weights_folder
from sarseg.sam.architecture import ARCHITECTURES

CONTENT = b"what Meta released"
SMALL = Checkpoint("vit_b", "sam_vit_b.pth", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SARSEG_CACHE", str(tmp_path))
    monkeypatch.setitem(checkpoints.RELEASED, "vit_b", SMALL)
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_every_release_has_an_architecture_and_facts_that_can_be_true() -> None:
    assert RELEASED.keys() == ARCHITECTURES.keys() - {"vit_t"}
    for backbone, release in RELEASED.items():
        assert release.backbone == backbone
        assert len(bytes.fromhex(release.sha256)) == 32
        assert release.url.endswith(f"segment_anything/sam_{backbone}_{release.file_name[10:]}")


def test_cached_is_the_file_of_the_right_size(cache: Path, tmp_path: Path) -> None:
    assert cached("vit_b") is None
    path = written(cache / SMALL.file_name, CONTENT[:-1])
    assert cached("vit_b") is None
    written(path, CONTENT)
    assert cached("vit_b") == path
    assert cached("vit_b", tmp_path / "elsewhere") is None
    assert cached("vit_t") is None


def test_a_named_cache_comes_before_the_variable(cache: Path, tmp_path: Path) -> None:
    assert weights_folder() == cache
    assert weights_folder(tmp_path / "named") == tmp_path / "named" / "weights"


def test_intact_is_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "any.pth"
    assert not is_intact(path, SMALL)
    assert is_intact(written(path, CONTENT), SMALL)
    assert not is_intact(written(path, CONTENT[:-1]), SMALL)
    assert not is_intact(written(path, CONTENT[:-1] + b"x"), SMALL)


@pytest.mark.parametrize(
    ("name", "content", "state"),
    [
        ("sam_vit_b.pth", CONTENT, "ok"),
        ("renamed.pth", CONTENT, "ok"),
        ("sam_vit_b.pth", CONTENT[:5], "damaged"),
        ("sam_vit_b.pth", b"", "damaged"),
        ("renamed.pth", CONTENT[:-1] + b"x", "damaged"),
    ],
)
def test_a_release_is_known_by_name_content_or_size(
    cache: Path, name: str, content: bytes, state: str
) -> None:
    verdict = verify(written(cache / name, content))
    assert (verdict.state, verdict.checkpoint) == (state, SMALL)
    assert verdict.size == len(content)
    assert verdict.sha256 == hashlib.sha256(content).hexdigest()


def test_another_file_is_unknown(cache: Path) -> None:
    verdict = verify(written(cache / "other.pth", b"something else altogether"))
    assert (verdict.state, verdict.checkpoint) == ("unknown", None)


def test_one_release_under_anothers_name_is_not_right(cache: Path) -> None:
    verdict = verify(written(cache / RELEASED["vit_l"].file_name, CONTENT))
    assert (verdict.state, verdict.checkpoint) == ("damaged", RELEASED["vit_l"])


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pth cannot be read: No such file"):
        verify(tmp_path / "none.pth")
