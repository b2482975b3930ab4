"""The host's infer, train, scoring and strategy classes."""
