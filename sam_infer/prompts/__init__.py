"""What a reader said about an object: points, boxes, scribbles, prior masks."""
