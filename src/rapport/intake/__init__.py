"""What takes events over HTTP, the decision service and the edge: bodies, their packing, and refusals.

It imports neither a framework nor NumPy, so that the edge stays small.
"""
