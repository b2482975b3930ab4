"""Procedural images and patients with labels, made to teach and to test. Knows labels, no network."""
