"""Measurements, each beside its floor or peer in the same run: `python -m benchmarks`.

A module of this package is a benchmark when it defines `measure(quick: bool) -> list[Measurement]`; it is found by that
name, and runs in a process of its own.
"""
