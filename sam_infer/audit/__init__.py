"""Who did what and when, in lines that nobody can change unseen."""
