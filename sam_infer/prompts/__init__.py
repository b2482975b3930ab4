"""Prompts: points, boxes, scribbles, prior masks of one object, valid when constructed. Knows no network."""
