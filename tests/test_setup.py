"""The set-up: pyproject.toml, the constraints, the Makefile and the scripts agree."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import sarseg

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").exists(), reason="not run from a source tree"
)


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def constraints() -> dict[str, str]:
    lines = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def setup_env() -> ModuleType:
    return load("setup_env")


def test_the_installed_version_is_that_of_the_package() -> None:
    assert importlib.metadata.version("sarseg") == sarseg.__version__


def test_every_requirement_is_met_by_a_constraint(
    pyproject: dict[str, Any], constraints: dict[str, str]
) -> None:
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    for line in project["dependencies"] + extras["compare"] + extras["dev"]:
        requirement = Requirement(line)
        if requirement.name == project["name"]:
            assert requirement.extras <= set(extras)
            continue
        assert requirement.specifier, f"{line} has no lower bound"
        assert constraints[canonicalize_name(requirement.name)] in requirement.specifier


def test_torchvision_is_no_requirement(
    pyproject: dict[str, Any], constraints: dict[str, str]
) -> None:
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    assert not any("torchvision" in line for line in project["dependencies"] + extras["compare"])
    assert "torchvision" not in constraints


def test_what_sarseg_is_compared_with_is_tested(pyproject: dict[str, Any]) -> None:
    assert "sarseg[compare]" in pyproject["project"]["optional-dependencies"]["dev"]


def test_embedded_weights_are_package_data(pyproject: dict[str, Any]) -> None:
    wheel = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "sarseg/model/embedded/*.safetensors" in wheel["artifacts"]


def test_long_campaigns_are_deselected(request: pytest.FixtureRequest) -> None:
    assert "not full" in request.config.getini("addopts")


@pytest.mark.parametrize(
    ("version", "old"), [((3, 10, 14), True), ((3, 11, 0), False), ((3, 14, 1), False)]
)
def test_an_old_python_gets_a_sentence(
    setup_env: ModuleType, version: tuple[int, ...], old: bool
) -> None:
    sentence = setup_env.too_old(version)
    assert (sentence is not None) is old
    if sentence:
        assert "3.11 or newer" in sentence
        assert "3.10" in sentence


def test_the_oldest_python_is_the_same_everywhere(
    setup_env: ModuleType, pyproject: dict[str, Any]
) -> None:
    oldest = ".".join(str(part) for part in setup_env.OLDEST)
    assert pyproject["project"]["requires-python"] == f">={oldest}"
    assert pyproject["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert pyproject["tool"]["mypy"]["python_version"] == oldest


def test_only_torch_comes_from_the_cpu_index(setup_env: ModuleType) -> None:
    index = "https://example.org/cpu"
    command = setup_env.torch_command("python", index, gpu=False)
    assert command[-1] == "torch"
    assert "--no-deps" in command
    assert command[command.index("--extra-index-url") + 1] == index
    assert "--extra-index-url" not in setup_env.torch_command("python", index, gpu=True)
    assert "--extra-index-url" not in setup_env.torch_command("python", "", gpu=False)


def test_the_set_up_hides_foreign_proj_data_and_asks_nothing(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJ_LIB", "/usr/share/proj")
    environment = setup_env.clean_environment()
    assert "PROJ_LIB" not in environment
    assert environment["DEBIAN_FRONTEND"] == "noninteractive"


def test_bindings_left_out_are_said_and_no_failure(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(setup_env, "answer", lambda command: None)
    monkeypatch.setattr(setup_env, "is_root", lambda: False)
    monkeypatch.setattr(setup_env.shutil, "which", lambda name: None)
    line = setup_env.gdal(tmp_path)
    assert "left out" in line
    assert "gdal-config" in line
    assert "sarseg works without them" in line


def test_a_failed_build_of_the_bindings_is_said_and_no_failure(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(setup_env, "missing_for_gdal", lambda python: [])
    monkeypatch.setattr(setup_env, "answer", lambda command: None)
    monkeypatch.setattr(setup_env, "run", lambda *arguments, **options: False)
    assert "the build failed" in setup_env.gdal(tmp_path)


def step(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "step.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_step_says_its_time_and_passes_the_exit_code_on(tmp_path: Path) -> None:
    log = tmp_path / "times.txt"
    good = step("--log", str(log), "fine", "--", sys.executable, "-c", "")
    bad = step("--log", str(log), "broken", "--", sys.executable, "-c", "raise SystemExit(3)")
    assert (good.returncode, bad.returncode) == (0, 3)
    first, second = log.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r" +fine +[\d.]+ s", first)
    assert re.search(r"broken +[\d.]+ s +\(failed, exit code 3\)", second)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_alone_lists_the_targets() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(
        ["make"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    for target in ("setup", "demo", "test", "test-full", "sample-data", "embedded", "clean"):
        assert f"make {target} " in done.stdout


def test_the_check_of_a_fresh_clone_is_an_executable_bash_script() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash")
