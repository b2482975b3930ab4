"""Benches of learning: few accepted cases, whole projects."""
