"""`python -m investigator`."""

import sys

from investigator.cli import main

if __name__ == "__main__":
    sys.exit(main())
