"""From a model's name (and adapter) to a predictor: the room that knows every network and every adapter kind."""
