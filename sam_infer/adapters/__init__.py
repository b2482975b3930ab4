"""Adapter files (LoRA and other trained weights), their store, and what each kind does to a network. No predictor."""
