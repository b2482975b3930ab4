"""DICOM objects to masks and back: SEG, codes, slice stacks. Knows no host and no network address."""
