"""One object in 3D, from prompts on a few slices."""
