"""Labels and procedural scenes as training batches, and the losses."""
