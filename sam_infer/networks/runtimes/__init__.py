"""What computes an image encoder, and in which numbers: torch, its compiler, OpenVINO."""
