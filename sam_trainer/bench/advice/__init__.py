"""Measurements of advice to readers."""
