"""Many scenes in one command."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sarseg.cli import console
from sarseg.cli.jobs import Done, Job, Outcome, conclude, jobs_of, work_through
from sarseg.errors import INCOMPLETE, EmptySceneError, InputError, OutputError, UsageError
from tests.cli.running import Sarseg
from tests.rasters import speckle, write_raster

DESPECKLE = ["--filter", "lee", "--looks", 1]
STEM = "{stem}_map.tif"


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """A folder of three scenes: of two files, of one, and one that cannot be read."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    for name in ("a_vh", "a_vv", "b_vv"):
        write_raster(folder / f"{name}.tif", speckle(20, 30))
    (folder / "c_vv.tif").write_text("no raster")
    (folder / "notes.txt").write_text("notes")
    return folder


def touch(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [str(folder / name) for name in names]


def test_a_folder_and_a_second_run(tmp_path: Path, sarseg: Sarseg, scenes: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    arguments = ["despeckle", scenes, "--output-dir", out, *DESPECKLE, "--json"]
    run = sarseg(*arguments)
    assert run.code == 3, run.stderr
    made = {"a_vv_despeckled.tif": ["VV", "VH"], "b_vv_despeckled.tif": ["VV"]}
    result = json.loads(run.stdout)
    assert {Path(each["output"]).name: each["bands"] for each in result["scenes"]} == made
    assert result["skipped"] == []
    assert [each["scene"] for each in result["failed"]] == [[str(scenes / "c_vv.tif")]]
    assert "3 scenes: 2 made, 1 failed." in run.stderr
    contents = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(contents) == set(made)

    write_raster(scenes / "c_vv.tif", speckle(20, 30))
    run = sarseg(*arguments)
    assert run.code == 0, run.stderr
    result = json.loads(run.stdout)
    assert [Path(each["output"]).name for each in result["scenes"]] == ["c_vv_despeckled.tif"]
    assert result["skipped"] == [str(out / name) for name in made]
    assert f"{out / 'a_vv_despeckled.tif'} is there already: skipped." in run.stderr
    assert "3 scenes: 2 skipped, 1 made." in run.stderr
    assert all((out / name).read_bytes() == content for name, content in contents.items())

    run = sarseg(*arguments, "--overwrite")
    assert run.code == 0, run.stderr
    assert len(json.loads(run.stdout)["scenes"]) == 3


def test_outputs_among_the_inputs_are_not_taken_for_scenes(sarseg: Sarseg, scenes: Path) -> None:
    (scenes / "c_vv.tif").unlink()
    for named in ([scenes], [f"{scenes}/*.tif"], sorted(scenes.glob("b*.tif"))):
        arguments = ["despeckle", *named, "--output-dir", scenes, *DESPECKLE]
        run = sarseg(*arguments)
        assert run.code == 0, run.stderr
    run = sarseg(*arguments, *scenes.glob("b_vv_*.tif"))
    assert run.code == 0, run.stderr
    assert "Passed over as outputs: b_vv_despeckled.tif." in run.stderr
    made = {path.name for path in scenes.glob("*_despeckled*")}
    assert made == {"a_vv_despeckled.tif", "b_vv_despeckled.tif"}


def test_a_mosaic_a_name_template_and_stdin(tmp_path: Path, sarseg: Sarseg, scenes: Path) -> None:
    (tmp_path / "mosaic_vv.vrt").write_text(
        '<VRTDataset rasterXSize="60" rasterYSize="20"><VRTRasterBand dataType="Float32" band="1">'
        + "".join(
            '<SimpleSource><SourceFilename relativeToVRT="1">scenes/b_vv.tif</SourceFilename>'
            '<SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="30" ySize="20"/>'
            f'<DstRect xOff="{left}" yOff="0" xSize="30" ySize="20"/></SimpleSource>'
            for left in (0, 30)
        )
        + "</VRTRasterBand></VRTDataset>"
    )
    lines = ["# two scenes", "", f"  {tmp_path}/mosaic*.vrt  ", f"{scenes}/a_*.tif"]
    arguments = ["--output-dir", tmp_path, "--name", "{number}_{folder}_{stem}.tif"]
    run = sarseg("despeckle", "-", *arguments, *DESPECKLE, "--json", stdin="\n".join(lines))
    assert run.code == 0, run.stderr
    first, second = json.loads(run.stdout)["scenes"]
    assert Path(first["output"]).name == f"1_{tmp_path.name}_mosaic_vv.tif"
    assert first["shape"] == [20, 60]
    assert Path(second["output"]).name == "2_scenes_a_vv.tif"
    assert second["bands"] == ["VV", "VH"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["scenes/*_hh.tif", "--output-dir", "."], 3, "Nothing matches scenes/*_hh.tif"),
        (["empty", "--output-dir", "."], 3, "empty is a folder without a scene"),
        (["scenes", "--output-dir", ".", "--name", "{scene}.tif"], 2, "{stem}, {folder}, {number}"),
        (["scenes", "--output-dir", ".", "--name", "x/{stem}.tif"], 2, "is a path"),
        (["scenes", "--output-dir", ".", "--name", "{stem}.png"], 2, "end it in .tif"),
        (["scenes", "--output-dir", ".", "--name", "map.tif"], 2, "by {folder} or {number}"),
        (["scenes", "--output-dir", "scenes", "--name", "{stem}.tif"], 2, "called as outputs"),
        (
            ["scenes/a_vv.tif,scenes/b_vv.tif", "--output-dir", "scenes", "--name", "b_vv.tif"],
            4,
            "is also an input",
        ),
        (["scenes/*.tif", "-o", "o.tif"], 3, "scenes/*.tif does not exist"),
    ],
)
def test_what_makes_no_sense_gets_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sarseg: Sarseg,
    scenes: Path,
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    run = sarseg("despeckle", *arguments, *DESPECKLE)
    assert (run.code, run.stdout) == (code, ""), run.stderr
    assert told in run.stderr
    assert "Traceback" not in run.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_that_is_a_pattern_and_a_file_is_the_file(tmp_path: Path) -> None:
    (name, _) = touch(tmp_path, "a[1].tif", "a1.tif")
    (job,) = jobs_of([name], None, tmp_path, STEM)
    assert job == Job((name,), tmp_path / "a[1]_map.tif")


def test_addresses_are_not_expanded(tmp_path: Path) -> None:
    addresses = ["https://host/a*.tif?key=1", "s3://bucket/b[1].tif", "x.zip!/c?.tif"]
    jobs = jobs_of(addresses, None, tmp_path, STEM)
    assert [job.files for job in jobs] == [(address,) for address in addresses]
    assert [job.output.name for job in jobs] == ["a*_map.tif", "b[1]_map.tif", "c?_map.tif"]


def test_the_folder_of_outputs_within_that_of_the_scenes(tmp_path: Path) -> None:
    a, b, _ = touch(tmp_path, "a_vv.tif", "b_vv.tif", "maps/a_vv_map.tif")
    for named in (str(tmp_path), f"{tmp_path}/**", f"{tmp_path}/**/*.tif"):
        jobs = jobs_of([named], None, tmp_path / "maps", STEM)
        assert [job.files for job in jobs] == [(a,), (b,)]


def test_a_map_of_a_folder_as_a_whole_is_no_scene_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "day"
    (name,) = touch(folder, "image.tif")
    (job,) = jobs_of([str(folder)], None, folder, STEM)
    assert job == Job((str(folder),), folder / "day_map.tif")
    job.output.touch()
    assert [job.files for job in jobs_of([str(folder)], None, folder, STEM)] == [(name,)]


@given(
    stems=st.lists(st.text("abc1_-", min_size=1, max_size=5), min_size=1, max_size=12, unique=True),
    template=st.sampled_from(["{stem}_map.tif", "{number}.tif", "{number}_{folder}_x{stem}.tif"]),
)
def test_a_second_run_beside_its_outputs_has_the_same_jobs(
    tmp_path_factory: pytest.TempPathFactory, stems: list[str], template: str
) -> None:
    folder = tmp_path_factory.mktemp("scenes")
    touch(folder, *(f"s{stem}.tif" for stem in stems))
    first = jobs_of([f"{folder}/*"], None, folder, template)
    assert [job.files for job in first] == sorted((str(folder / f"s{x}.tif"),) for x in stems)
    assert len({job.output for job in first}) == len(stems)
    for job in first:
        job.output.touch()
    assert jobs_of([f"{folder}/*"], None, folder, template) == first


def jobs(count: int) -> list[Job]:
    return [Job((f"s{n}_vv.tif",), Path(f"s{n}_vv_map.tif")) for n in range(count)]


def never(error: Exception) -> bool:
    return False


def test_no_failure_keeps_the_others_from_being_done(capsys: pytest.CaptureFixture[str]) -> None:
    errors: dict[int, Exception] = {
        0: MemoryError(),
        2: InputError("s2_vv.tif is empty."),
        3: OSError(28, "No space left"),
    }
    given = jobs(5)
    tried = []

    def work(job: Job) -> Done:
        tried.append(job)
        number = given.index(job)
        if number in errors:
            raise errors[number]
        return Done("3 tiles", incomplete=number == 4)

    outcomes = work_through(
        given,
        work,
        fatal=never,
        finished=lambda job: Done("was there already") if job == given[1] else None,
    )
    assert tried == [given[0], *given[2:]]
    assert outcomes == [
        Outcome(given[0], "failed", "s0_vv.tif failed by MemoryError.", 1),
        Outcome(given[1], "skipped", "was there already"),
        Outcome(given[2], "failed", "s2_vv.tif is empty.", 3),
        Outcome(given[3], "failed", "s3_vv.tif failed by OSError: [Errno 28] No space left.", 1),
        Outcome(given[4], "incomplete", "3 tiles", INCOMPLETE),
    ]
    told = capsys.readouterr().err
    assert told.count("Traceback") == 2  # of what nobody foresaw
    assert "error: s0_vv.tif failed by MemoryError." in told
    assert told.index("in work") < told.index("error: s0_vv.tif")


def test_what_is_fatal_and_interruptions_stop_all() -> None:
    def interrupted(job: Job) -> Done:
        raise KeyboardInterrupt

    def library(job: Job) -> Done:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise OutputError("The output could not be closed.") from None

    def senseless(job: Job) -> Done:
        raise UsageError("No.")

    with pytest.raises(KeyboardInterrupt):
        work_through(jobs(2), interrupted, fatal=never)
    with pytest.raises(OutputError):
        work_through(jobs(2), library, fatal=never)
    with pytest.raises(UsageError):
        work_through(jobs(2), senseless, fatal=lambda error: isinstance(error, UsageError))


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([("made", 0), ("skipped", 0)], None),
        ([("incomplete", INCOMPLETE), ("made", 0)], INCOMPLETE),
        ([("incomplete", INCOMPLETE), ("failed", 4), ("failed", 3)], 4),
        ([("failed", 1)], 1),
    ],
)
def test_the_exit_code_says_how_it_went(
    results: list[tuple[str, int]], code: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = [
        Outcome(job, state, "note", each)  # type: ignore[arg-type]
        for job, (state, each) in zip(jobs(len(results)), results, strict=True)
    ]
    try:
        conclude({"maps": []}, outcomes, as_json=True)
        found = None
    except Exception as stopped:  # typer's own, of a name that differs among versions
        found = stopped.exit_code  # type: ignore[attr-defined]
    assert found == code
    result = json.loads(capsys.readouterr().out)
    assert len(result["failed"]) == [state for state, _ in results].count("failed")
    assert len(result["skipped"]) == [state for state, _ in results].count("skipped")


LONG = "S1A_IW_GRDH_1SDV_20200101T161622_20200101T161647_030620_038230_D1C5"
SUMMARY = [
    Outcome(Job(("a_vv.tif", "a_vh.tif"), Path("o/a_vv_map.tif")), "made", "144 tiles, 35 s"),
    Outcome(
        Job((f"/data/{LONG}.SAFE",), Path(f"o/{LONG}_map.tif")),
        "failed",
        f"/data/{LONG}.SAFE has no annotation/*.xml: it is incomplete. Copy it again.",
        3,
    ),
    Outcome(Job(("[b]_vv.tif",), Path("o/[b]_vv_map.tif")), "skipped", "was there already"),
]


def summary(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> list[str]:
    shown = Console(width=80, soft_wrap=True, highlight=False, record=True, force_terminal=terminal)
    monkeypatch.setattr(console, "stderr", shown)
    with pytest.raises(Exception, match="3"):
        conclude({"maps": []}, SUMMARY, as_json=False)
    return shown.export_text().splitlines()


def test_the_summary_in_a_terminal_fits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = summary(monkeypatch, terminal=True)
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["scene", "output", "state", "note"]
    assert "Copy" not in "".join(lines)
    folded = "".join(line.split("  ")[0] for line in lines[2:-2]).replace(" ", "")
    assert f"{LONG}.SAFE" in folded
    assert lines[-2].split()[:3] == ["[b]_vv.tif", "[b]_vv_map.tif", "skipped"]
    assert lines[-1] == "3 scenes: 1 made, 1 failed, 1 skipped."


def test_the_summary_in_a_log_has_a_line_a_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = summary(monkeypatch, terminal=False)
    assert len(lines) == 5
    assert all(character.isascii() for line in lines for character in line)
    at = lines[0].index("state")
    assert [line[at:].split()[0] for line in lines[1:4]] == ["made", "failed", "skipped"]
    assert lines[1].startswith("a_vv.tif + 1 more ")
    note = lines[2][at:].split(maxsplit=1)[1]
    assert note == f"{LONG}.SAFE has no annotation/*.xml:..."


def test_piped_and_quiet_processes(tmp_path: Path, scenes: Path) -> None:
    arguments = [scenes, "--output-dir", tmp_path, *DESPECKLE]
    command = [sys.executable, "-m", "sarseg", "despeckle", *map(str, arguments)]
    piped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert piped.returncode == 3
    lines = piped.stderr.splitlines()
    assert lines[-5].split() == ["scene", "output", "state", "note"]
    assert lines[-1] == "3 scenes: 2 made, 1 failed."
    quiet = subprocess.run([*command, "--quiet"], capture_output=True, text=True, check=False)
    assert quiet.returncode == 3
    assert len(quiet.stderr.splitlines()) == 1
    assert quiet.stderr.startswith("error: ")


def test_scenes_of_one_name_are_told_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ["d/a/x/s_vv.tif", "d/b/x/s_vv.tif", "d/b/t_vv.tif", "z/t_vv.tif", "z/u_vv.tif"]
    outcomes = [
        Outcome(Job((name,), Path(f"{number}.tif")), "made", "1 tile")
        for number, name in enumerate(names)
    ]
    conclude({"maps": []}, outcomes, as_json=False)
    lines = capsys.readouterr().err.splitlines()[1:-1]
    expected = ["a/x/s_vv.tif", "b/x/s_vv.tif", "b/t_vv.tif", "z/t_vv.tif", "u_vv.tif"]
    assert [line.split()[0] for line in lines] == expected


def test_a_scene_without_data_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    def work(job: Job) -> Done:
        if job.files == ("s0_vv.tif",):
            raise EmptySceneError("s0_vv.tif has no pixel that is valid.")
        return Done("3 tiles")

    outcomes = work_through(jobs(2), work, fatal=never)
    assert [each.state for each in outcomes] == ["empty", "made"]
    conclude({"maps": []}, outcomes, as_json=True)  # leaves with no code
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert [each["scene"] for each in result["empty"]] == [["s0_vv.tif"]]
    assert result["failed"] == []
    assert "warning: s0_vv.tif has no pixel that is valid." in printed.err
    assert "2 scenes: 1 empty, 1 made." in printed.err
    with pytest.raises(EmptySceneError):
        work_through(jobs(1), work, fatal=lambda error: True)


def test_one_scene_to_a_folder_that_fails(tmp_path: Path, sarseg: Sarseg) -> None:
    empty = write_raster(tmp_path / "e_vv.tif", np.full((20, 30), np.nan, np.float32))
    run = sarseg("filter", empty, "--output-dir", tmp_path, "--low-pass", 0.1, "--json")
    assert run.code == 3
    (failed,) = json.loads(run.stdout)["failed"]
    assert "no valid pixel" in failed["error"]
    assert "scene  " not in run.stderr  # one scene needs no table
