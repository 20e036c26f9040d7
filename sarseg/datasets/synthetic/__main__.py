"""``python -m sarseg.datasets.synthetic FOLDER``: regenerates the sample data."""

import argparse
from pathlib import Path

from sarseg.datasets.synthetic.samples import write_sample_data


def main() -> None:
    """Writes the sample scenes into the folder given on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sarseg.datasets.synthetic", description="Write the sample scenes."
    )
    parser.add_argument("folder", type=Path)
    for path in write_sample_data(parser.parse_args().folder):
        print(f"{path}  {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
