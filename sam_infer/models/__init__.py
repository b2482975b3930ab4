"""From the name of a model, and an adapter, to a predictor."""
