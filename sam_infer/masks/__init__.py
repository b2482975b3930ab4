"""Mask in, mask or bytes out: post-processing and encoding, with numpy, scipy and ITK only, no torch."""
