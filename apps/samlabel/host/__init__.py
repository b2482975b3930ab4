"""What MONAI Label does wrong, mended from outside; and the one typed way in to what it keeps."""
