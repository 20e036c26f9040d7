"""``python -m sarseg`` is the console script ``sarseg``."""

from sarseg.cli import main

if __name__ == "__main__":
    main()
