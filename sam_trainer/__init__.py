"""Training, measuring and judging: everything that changes the model. Knows sam_infer, not the host."""
