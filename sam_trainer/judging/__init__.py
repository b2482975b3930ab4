"""Whether a version of a network is better: exam, gate, calibration, alarm."""
