"""One object through the phases of an image in time, by the engines that follow it in space."""
