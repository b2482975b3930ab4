"""Measurements of commands in words: what is understood, where labels are found, how far words alone go."""
