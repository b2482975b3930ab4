"""Questions about an image and their answers: the one place that servers and command lines ask."""
