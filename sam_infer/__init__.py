"""Prompts in, masks out: promptable inference that knows neither the host nor the trainer."""
