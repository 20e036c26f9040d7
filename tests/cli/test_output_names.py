from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.cli.output_names import NameTemplate
from sarseg.errors import UsageError


@pytest.mark.parametrize(
    ("template", "file", "name"),
    [
        ("{stem}_landcover.tif", "in/a_vv.tif", "a_vv_landcover.tif"),
        ("{folder}_{stem}.TIFF", "in/a.b.tif", "in_a.b.TIFF"),
        ("{number}-{stem}-{stem}.tif", "a.tif", "007-a-a.tif"),
        ("{folder}.tif", "/in/S1A_X.SAFE", "in.tif"),
        ("{folder}.tif", "/data/packed.zip!/a.tif", "packed.tif"),
        ("{folder}_{stem}.tif", "https://host/dir/a_vv.tif?key=secret/b", "dir_a_vv.tif"),
        ("{folder}_{stem}.tif", "s3://bucket/a_vv.tif", "bucket_a_vv.tif"),
    ],
)
def test_fields(template: str, file: str, name: str) -> None:
    assert NameTemplate(template).name(file, 7, 120) == name


def test_the_folder_of_a_bare_name_is_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert NameTemplate("{folder}.tif").name("a.tif", 1, 1) == f"{tmp_path.name}.tif"
    (tmp_path / "sub").mkdir()
    assert NameTemplate("{folder}.tif").name("sub/../a.tif", 1, 1) == f"{tmp_path.name}.tif"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{scene}.tif", r"\{scene\}, which is none of \{stem\}, \{folder\}, \{number\}"),
        ("{}.tif", r"field \{\}"),
        ("{number:03}.tif", r"field \{number:03\}"),
        ("maps/{stem}.tif", r"is a path.*\{stem\}"),
        ("{stem}_map", r"end it in \.tif or \.tiff.*\{stem\}"),
        ("{stem}.png", r"end it in \.tif or \.tiff"),
        ("", "no GeoTIFF"),
    ],
)
def test_templates_that_make_no_sense(template: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        NameTemplate(template)


@given(
    template=st.sampled_from(["{stem}_m.tif", "{number}_{stem}.tif", "{folder}{number}.tif"]),
    stems=st.lists(st.text("ab1_.+", min_size=1, max_size=4), min_size=1, max_size=9),
    count=st.integers(1, 2000),
    data=st.data(),
)
def test_a_name_is_known_again_whatever_the_run_was_like(
    template: str, stems: list[str], count: int, data: st.DataObject
) -> None:
    files = [f"/in/x{stem}.tif" for stem in stems]
    named = NameTemplate(template)
    is_output = named.names_of(files)
    made = named.name(data.draw(st.sampled_from(files)), data.draw(st.integers(1, count)), count)
    assert is_output(made)
    assert not is_output(f"{made}.tif")
    assert not is_output("other_m.tif")
