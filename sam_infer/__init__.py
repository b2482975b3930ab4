"""Prompts in, masks out: promptable inference that knows neither the host nor the trainer."""

import os

# Threads that wait for each other's share of a layer must sleep, not spin: beside any other work on the machine (a
# training, a second server) spinning made answers thirty times slower. Read by OpenMP when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
