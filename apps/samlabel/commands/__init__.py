"""The commands of `samlabel`, one file each."""
