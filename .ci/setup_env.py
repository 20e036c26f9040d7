"""Make the environment that the Makefile's targets use: setup_env.py --venv .venv packages|gdal.

`packages` makes the virtual environment and installs PyTorch, sarseg (editable) and the tools, at
the versions of constraints.txt. `gdal` builds the optional GDAL bindings (osgeo) against the
system's libgdal; it never fails, but says what is left out. Nothing but the standard library is
used, and the file has to parse on older Pythons, so that they get a sentence and no syntax error.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
OLDEST = (3, 11)
APT_PACKAGES = ("libgdal-dev", "g++", "python3-dev")
WITHOUT_GDAL = "sarseg works without them; only what needs `from osgeo import gdal` is off."
ONE_PROCESS = (
    "import rasterio, pyogrio; from osgeo import gdal, gdal_array; gdal.UseExceptions();"
    " rasterio.crs.CRS.from_epsg(32631); print(gdal.__version__)"
)


class StepError(Exception):
    """A step of the set-up did not work."""


def clean_environment():
    """The environment for pip and apt: no prompts, no user site, no foreign PROJ data."""
    environment = dict(os.environ)
    for name in ("PROJ_DATA", "PROJ_LIB", "GDAL_DATA", "PYTHONHOME", "PYTHONPATH", "PIP_TARGET"):
        environment.pop(name, None)
    environment.update(
        DEBIAN_FRONTEND="noninteractive",
        NEEDRESTART_SUSPEND="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
        PIP_USER="0",
    )
    return environment


def say(text):
    print("    " + text, flush=True)


@contextlib.contextmanager
def timed(text):
    """Say what starts, and how long it took."""
    print("==> " + text, flush=True)
    start = time.monotonic()
    yield
    say(f"{time.monotonic() - start:.1f} s")


def run(command, log=None, timeout=None):
    """Run a command without input; with `log`, its output goes to that file. True if it worked."""
    output = log.open("ab") if log else None
    try:
        return (
            subprocess.call(
                [str(part) for part in command],
                cwd=str(ROOT),
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=timeout,
            )
            == 0
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(str(error))
        return False
    finally:
        if output:
            output.close()


def answer(command):
    """What a command prints, or None if it cannot be run or fails."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def is_root():
    return hasattr(os, "geteuid") and os.geteuid() == 0


def apt_install(packages, log):
    """Install Debian packages without a question; waits for another apt at most two minutes."""
    options = [
        "-y",
        "-qq",
        "-o", "DPkg::Lock::Timeout=120",
        "-o", "Acquire::http::Timeout=20",
        "-o", "Acquire::Retries=1",
    ]  # fmt: skip
    run(["apt-get", "update", *options], log, timeout=300)
    return run(["apt-get", "install", "--no-install-recommends", *options, *packages], log, 900)


# -- packages ---------------------------------------------------------------------------------


def too_old(version):
    """The sentence for a Python that is too old, else None."""
    if tuple(version[:2]) >= OLDEST:
        return None
    have, need = (".".join(str(part) for part in v[:2]) for v in (version, OLDEST))
    return (
        f"sarseg needs Python {need} or newer, and this is Python {have}. "
        f"Name a newer one: make setup PYTHON=python{need}"
    )


def has_nvidia_gpu():
    return bool(shutil.which("nvidia-smi") and answer(["nvidia-smi", "-L"]))


def torch_command(python, index, gpu, patient=False):
    """pip's command for torch alone, so that the extra index serves no other package.

    Where the index can be reached, its `+cpu` build is preferred to the ordinary one of the same
    version; where it cannot, pip passes it over, without waiting long unless `patient`.
    """
    command = [python, "-m", "pip", "install", "-qq", "--no-deps", "-c", CONSTRAINTS]
    if index and not gpu:
        command += ["--extra-index-url", index]
        if not patient:
            command += ["--retries", "0", "--timeout", "10"]
    return [*command, "torch"]


def make_venv(venv):
    python = venv / "bin" / "python"
    if answer([python, "-m", "pip", "--version"]):
        return python
    # Only what is an environment already is cleared: VENV may name any folder.
    clear = ["--clear"] if (venv / "pyvenv.cfg").exists() else []
    command = [sys.executable, "-m", "venv", *clear, venv]
    log = venv.with_name(venv.name + ".log")
    try:
        works = run(command, log)
        if not works and is_root() and shutil.which("apt-get"):
            say("this Python has no venv of its own: installing Debian's package for it")
            package = "python{}.{}-venv".format(*sys.version_info[:2])
            works = apt_install([package], log) and run(command, log)
        if not works:
            sys.stderr.write(log.read_text(errors="replace"))
            raise StepError("No virtual environment could be made (on Debian: python3-venv).")
    finally:
        if log.exists():
            log.unlink()
    return python


def packages(venv, index):
    sentence = too_old(sys.version_info)
    if sentence:
        raise StepError(sentence)
    with timed(f"virtual environment {venv} (Python {sys.version.split()[0]})"):
        python = make_venv(venv)
    gpu = has_nvidia_gpu()
    build = "for the NVIDIA GPU" if gpu else "CPU build where there is one"
    with timed(f"PyTorch, {build}"):
        if not run(torch_command(python, index, gpu)):
            say("once more, with more patience")
            if not run(torch_command(python, index, gpu, patient=True)):
                raise StepError("PyTorch could not be installed.")
        version = answer([python, "-m", "pip", "show", "torch"]) or ""
        say("torch " + version.partition("Version: ")[2].partition("\n")[0])
    with timed("sarseg, its dependencies and tools"):
        install = [python, "-m", "pip", "install", "-qq", "-c", CONSTRAINTS]
        if not run([*install, "--editable", ".[dev]"]):
            raise StepError("The packages could not be installed.")


# -- GDAL -------------------------------------------------------------------------------------


def missing_for_gdal(python):
    """Which of what the build needs is not here."""
    include = answer([python, "-c", "import sysconfig; print(sysconfig.get_paths()['include'])"])
    headers = include or sysconfig.get_paths()["include"]
    missing = [] if shutil.which("gdal-config") else ["gdal-config"]
    if not (shutil.which("g++") or shutil.which("c++")):
        missing.append("a C++ compiler")
    if not Path(headers, "Python.h").exists():
        missing.append("Python.h")
    return missing


def gdal(venv):
    """Build osgeo if it can be; the answer is one line that says what became of it."""
    python = venv / "bin" / "python"
    present = answer([python, "-c", ONE_PROCESS])
    if present:
        return f"GDAL bindings {present}: here already"
    log = venv / "gdal.log"
    if log.exists():
        log.unlink()
    missing = missing_for_gdal(python)
    if missing and is_root() and shutil.which("apt-get"):
        with timed("Debian packages for the optional GDAL bindings: " + " ".join(APT_PACKAGES)):
            apt_install(APT_PACKAGES, log)
        missing = missing_for_gdal(python)
    if missing:
        return left_out("missing here: " + ", ".join(missing))
    version = answer(["gdal-config", "--version"])
    with timed(f"optional GDAL bindings, built against libgdal {version}"):
        # Without build isolation the build sees numpy, and without the cache it is no older build
        # that did not: array support is left out in silence otherwise.
        pip = [python, "-m", "pip"]
        build = [*pip, "install", "--no-cache-dir", "--use-pep517", "--no-build-isolation"]
        needs = run([*pip, "install", "-c", CONSTRAINTS, "setuptools"], log)
        wanted = ["--no-deps", f"gdal[numpy]=={version}.*"]
        built = needs and run([*build, *wanted], log, timeout=1200)
    if not built:
        return left_out(f"the build failed, see {log}")
    loaded = answer([python, "-c", ONE_PROCESS])
    if not loaded:
        run([*pip, "uninstall", "-y", "gdal"], log)
        return left_out("once built, they did not load together with rasterio and pyogrio")
    return f"GDAL bindings {loaded}: built, with array support"


def left_out(reason):
    return f"The optional GDAL bindings are left out ({reason}). {WITHOUT_GDAL}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("what", choices=["packages", "gdal"])
    parser.add_argument("--torch-index", default="")
    parser.add_argument("--stamp", type=Path, required=True, help="file written when all is done")
    arguments = parser.parse_args()
    venv = arguments.venv.resolve()
    if arguments.what == "packages":
        try:
            packages(venv, arguments.torch_index)
        except StepError as error:
            sys.exit(str(error))
        line = "ready"
    else:
        line = gdal(venv)
        say(line)
    arguments.stamp.write_text(line + "\n")


if __name__ == "__main__":
    main()
