"""A reader played by code: clicks, prompt styles, sessions. Knows no training."""
