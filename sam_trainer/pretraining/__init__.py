"""Pre-training of `tiny` and the tracker on procedural scans; never at a server."""
