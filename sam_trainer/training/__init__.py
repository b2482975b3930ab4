"""One training round, from frozen labels to a judged adapter. Chooses no case."""
