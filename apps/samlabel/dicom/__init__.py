"""DICOM objects to masks and back: SEG, codes, slice stacks."""
