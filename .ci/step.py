"""Run a step of the Makefile, and say how long it took: step.py [--log FILE] NAME -- COMMAND..."""

import argparse
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, help="file to which the line with the time is added")
    parser.add_argument("name")
    own, command = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, command = own[:at], own[at + 1 :]
    arguments = parser.parse_args(own)
    if not command:
        parser.error("no command after --")

    print(f"==> {arguments.name}", flush=True)
    start = time.monotonic()
    try:
        code = subprocess.call(command)
    except KeyboardInterrupt:
        code = 130
    except OSError as error:
        print(f"    {command[0]}: {error.strerror}", flush=True)
        code = 127
    seconds = time.monotonic() - start
    outcome = "" if code == 0 else f"  (failed, exit code {code})"
    line = f"    {arguments.name:<22}{seconds:8.1f} s{outcome}"
    print(line, flush=True)
    if arguments.log:
        with arguments.log.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
