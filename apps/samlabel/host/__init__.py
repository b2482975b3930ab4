"""What MONAI Label does wrong, mended from outside."""
