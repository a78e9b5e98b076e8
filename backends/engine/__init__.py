"""The engine: everything that needs torch.

OpenMP threads that wait sleep instead of spinning, which has to be said before torch is imported. Spinning threads keep
the processor from the app, the socket and the fast lane: with both of two cores busy elsewhere, forty small matrix
products took 1.7 s with spinning and 0.4 s without, forty large ones 13 s and 6 s.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
