"""What automatic labels leave to do, measured on accepted cases, and which mode is best for each label."""
