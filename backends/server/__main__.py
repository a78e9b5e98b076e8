"""`python -m backends.server`: one backend."""

from __future__ import annotations

import os
import sys

from backends.server.serve import main

status = main()
sys.stdout.flush()
sys.stderr.flush()
# Worker threads may stand in the middle of a model step; an ordinary exit would take torch from under them.
os._exit(status)
