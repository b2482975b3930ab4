"""Automatic segmentation: labels without a prompt; priors and accepted cases are arguments."""
