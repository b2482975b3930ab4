"""What accepted slices teach in seconds: maps and boxes of labels from an embedding. Knows no image and no search."""
