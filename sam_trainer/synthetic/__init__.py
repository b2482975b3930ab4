"""Procedural scans: images with labels, made to teach and to test."""
