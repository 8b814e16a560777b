"""Programs that run in a peer's own environment: `python FILE EVENTS.jsonl FEW MANY`, one JSON object on stdout.

Nothing here imports Rapport or this package: a peer's environment has neither.
"""
