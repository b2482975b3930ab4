"""The host's infer, train, scoring and strategy classes: glue of ten lines each."""
