"""How unsure a network is: of a pixel, an object, a case; calibration."""
