"""Webhooks: firings delivered over HTTP, signed, at least once, each always with the same body."""
