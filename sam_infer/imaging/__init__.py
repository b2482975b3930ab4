"""Voxels with their place in the patient: image files, grids, slices, windows. Knows no prompt, no network, no host."""
