"""The edge: a small process beside producers that checks events, drops noise, and forwards them in batches, from a
buffer on disk while the way to the decision service is closed.

It needs little: no Feast, BentoML, NumPy or Arrow. `rapport-edge` starts it.
"""
