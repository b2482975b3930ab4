"""A simulated reader: first prompts, corrections, whole sessions."""
