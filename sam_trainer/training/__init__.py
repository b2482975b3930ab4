"""One round of training: from frozen labels to a judged adapter."""
