"""What a header says that a file holds, looked at before memory is taken for it."""
