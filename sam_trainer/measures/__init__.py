"""Numbers about masks and about pairs of measurements: Dice, surface distance, intervals, power law. Knows no file."""
