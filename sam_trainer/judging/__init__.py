"""Model acceptance: exam, gate, calibration, alarm. Trains nothing."""
