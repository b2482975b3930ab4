"""What is done to a mask, and how it becomes bytes."""
