"""SAM-like networks behind the `Backbone` protocol: arrays in, candidate masks out. Knows no volume, no request."""
