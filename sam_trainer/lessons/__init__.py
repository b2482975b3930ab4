"""Training batches from labels and procedural scenes, and the losses. Knows no file of a run."""
