"""Kinds of adapters: what the tensors of each do to a network, for whoever serves and whoever trains."""
