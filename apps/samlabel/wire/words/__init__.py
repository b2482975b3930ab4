"""Commands in words to our values and back. Decides nothing."""
