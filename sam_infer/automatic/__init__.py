"""Labels without a prompt: proposals, priors, atlases, coarse maps, the semantic head."""
