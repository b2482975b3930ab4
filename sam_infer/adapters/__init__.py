"""Adapter files, their store, and what each kind of tensor does to a network."""
