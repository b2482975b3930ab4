"""Images and label maps with their place in the patient: files, grids, slices, windows."""
