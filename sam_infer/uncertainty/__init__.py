"""Uncertainty of a network about a pixel, an object, a case: asks again, calibrates, scores."""
