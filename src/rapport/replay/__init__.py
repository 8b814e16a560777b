"""Replay: files of past events, fed through the same path as live ones, by a small mapping file."""
