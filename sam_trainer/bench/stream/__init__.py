"""Measurements of learning as it goes: streams of cases in time order. Only commands import it."""
