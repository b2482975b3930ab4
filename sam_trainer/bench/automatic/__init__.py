"""Measurements of automatic labels: every mode beside its baseline, and the clicks that it leaves."""
