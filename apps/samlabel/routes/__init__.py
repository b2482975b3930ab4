"""HTTP routes, one resource per file. Contains no computation."""
