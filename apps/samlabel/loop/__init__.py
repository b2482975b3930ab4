"""What a server keeps of the learning loop: accepted labels, answers given, scores in the background."""
