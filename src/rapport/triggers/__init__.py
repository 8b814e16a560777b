"""Triggers: declared conditions that fire for a customer, once, with a reason."""
