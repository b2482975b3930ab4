"""One object in 3D: propagation of masks from slice to slice. Knows slices, no labels of others."""
