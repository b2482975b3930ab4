"""Active learning: which case next, and whether choosing pays."""
