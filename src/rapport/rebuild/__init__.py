"""The past of customers, from the event archive into rows of the online store that lack it, while the flow goes on.

`rapport.rebuild.run` does it once; `rapport.rebuild.watch`, which imports neither Feast nor DuckDB, has it done
whenever something lacks.
"""
