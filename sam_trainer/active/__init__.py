"""Active learning: which case next, and whether choosing pays. Pure but for its three tables."""
