"""The tests; run them with ``make test``."""

import os

# As where a model is built and served: threads that wait for each other in a loop, as OpenMP's
# do, take ten times as long where something else has the processors.
os.environ.setdefault("OMP_NUM_THREADS", "1")
