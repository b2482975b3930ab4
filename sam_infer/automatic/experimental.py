"""Modes that are experimental: what they start from leaves fewer clicks on every folder that was measured.

With any of their options; benchmarks/results/auto.json says which modes these are, and a test compares. Imports
nothing: command lines say it before anything is loaded.
"""

EXPERIMENTAL: tuple[str, ...] = ()
