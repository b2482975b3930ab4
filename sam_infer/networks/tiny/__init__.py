"""The embedded network `tiny`: encoder, decoder, prompt maps."""
