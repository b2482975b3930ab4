"""Fixes of MONAI Label from outside, and one typed way in to what it keeps: the only room that may patch it."""
