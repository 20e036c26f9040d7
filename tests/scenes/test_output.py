from pathlib import Path

import pytest

from sarseg.errors import OutputError
from sarseg.scenes.output import check_output, replacing
from tests.rasters import hidden_files


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there.tif").touch()
    for path, overwrite, told in [
        (tmp_path / "no" / "map.tif", True, r"folder .*no .*does not exist"),
        (tmp_path, True, "is a folder"),
        (tmp_path / "there.tif", False, r"there\.tif exists; give --overwrite"),
        (Path("/dev/null"), True, "is a device"),
    ]:
        with pytest.raises(OutputError, match=told):
            check_output(path, overwrite=overwrite)
    check_output(tmp_path / "there.tif", overwrite=True)
    check_output(tmp_path / "new.tif", overwrite=False)


def test_the_name_is_taken_at_the_end_only(tmp_path: Path) -> None:
    target = tmp_path / "map.tif"
    target.write_text("old")
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.parent == target.parent
    assert target.read_text() == "new"
    assert hidden_files(tmp_path) == []


def write_half(path: Path, failure: type[BaseException]) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise failure


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_a_failure_leaves_what_was_there(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "map.tif"
    target.write_text("old")
    with pytest.raises(failure):
        write_half(target, failure)
    assert target.read_text() == "old"
    assert hidden_files(tmp_path) == []


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"), replacing(tmp_path / "map.tif"):
        raise OSError(28, "No space left on device")
