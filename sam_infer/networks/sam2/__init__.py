"""SAM 2: its architecture, its answers on a slice, and its memory of earlier slices. Needs the package `sam2`."""
