"""Keys and shapes of the published checkpoints."""
