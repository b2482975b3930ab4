"""The OHIF viewer that ships with the host, served with our companion script."""
