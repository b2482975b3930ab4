"""Promptable segmentation inference: prompts in, masks out; knows neither the host nor the trainer."""

import os

# Threads that wait for each other's share of a layer must soon sleep: beside any other work on the machine (a training,
# a second server) spinning made answers thirty times slower. Microseconds of it are worth while: a click takes 11 ms
# with them and 20 without on an idle machine, 28 and 33 on a busy one. Read by OpenMP when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
