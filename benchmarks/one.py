"""One benchmark in this process; its measurements as JSON into a file. Started by `python -m benchmarks`."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import msgspec

from rapport.settings import disable_telemetry


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("output", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    disable_telemetry()
    module = importlib.import_module(f"benchmarks.{arguments.name}")
    arguments.output.write_bytes(msgspec.json.encode(module.measure(arguments.quick)))


if __name__ == "__main__":
    main()
