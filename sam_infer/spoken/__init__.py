"""What a reader says, done: a label's name becomes a box; commands change boxes, points and masks. Keeps nothing."""
