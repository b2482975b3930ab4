"""Accepted labels for other tools: nnU-Net, MONAI datalists."""
