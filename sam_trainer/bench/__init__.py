"""Benches of one model: each writes JSON and a page with figures. Nothing outside bench and commands imports it."""
