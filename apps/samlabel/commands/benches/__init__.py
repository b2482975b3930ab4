"""What every bench of the command line shares, and those that are more than a call."""
