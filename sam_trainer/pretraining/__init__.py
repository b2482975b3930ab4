"""Making `tiny` and the tracker from procedural scans."""
