"""Procedural cohorts in each of which one idea of adaptation can win, if it works."""
