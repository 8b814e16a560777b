"""Firings delivered to a webhook: signed, at least once, each always with the same body."""
