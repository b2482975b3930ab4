"""Servers against the clock: ours and the stock one, asked over HTTP as viewers ask."""
