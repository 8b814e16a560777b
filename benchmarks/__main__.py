"""Run the benchmarks, print them, save them, and write docs/performance.md from them.

    python -m benchmarks [NAME …] [--quick] [--page]
    python -m benchmarks --list

NAME: a module of this package, `bytewax_window` say; default: all. --quick: a tenth of the work, for a first look.
--page writes docs/performance.md and its pictures: this run's figures, and of what was not run the newest saved ones
or what the page says now.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.frame import Measurement
from benchmarks.page import write_page
from benchmarks.results import Group, newest, save
from benchmarks.show import print_group

HERE = Path(__file__).parent
TIMEOUT_S = 1_800


def main() -> int:
    """The exit code: 1 when a benchmark failed, 2 when one is not known."""
    arguments = _arguments()
    # A file has no width of its own: leave the tables the room that they need.
    console = Console(width=None if sys.stdout.isatty() else 150)
    known = benchmarks()
    if arguments.list:
        for name, title in known.items():
            console.print(f"{name:20} {title}")
        return 0
    unknown = [name for name in arguments.names if name not in known]
    if unknown:
        console.print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    groups = []
    for name in arguments.names or known:
        with console.status(f"{name}: {known[name]}"):
            groups.append(run(name, known[name], arguments.quick))
        print_group(console, groups[-1])
    console.print(f"saved as {save(arguments.quick, groups)}")
    _write_page(console, arguments.page, arguments.quick)
    return 1 if any(group.error for group in groups) else 0


def benchmarks() -> dict[str, str]:
    """Name and first line of the docstring of each module that defines `measure`; none is imported."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "measure" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or path.stem).splitlines()[0].rstrip(".")
    return found


def run(name: str, title: str, quick: bool) -> Group:
    """Run one benchmark in a process of its own, so that none warms or burdens the next."""
    started = time.perf_counter()
    with tempfile.NamedTemporaryFile(suffix=".json") as output:
        argv = [sys.executable, "-m", "benchmarks.one", name, output.name, *(["--quick"] if quick else [])]
        try:
            ended = subprocess.run(argv, cwd=HERE.parent, capture_output=True, text=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return Group(name, title, error=f"took longer than {TIMEOUT_S} s")
        seconds = time.perf_counter() - started
        if ended.returncode != 0:
            last = " | ".join((ended.stderr or ended.stdout).strip().splitlines()[-3:])
            return Group(name, title, error=f"ended with code {ended.returncode}: {last}", seconds=seconds)
        measured = msgspec.json.decode(Path(output.name).read_bytes(), type=tuple[Measurement, ...])
    return Group(name, title, measured, seconds=seconds)


def _write_page(console: Console, wanted: bool, quick: bool) -> None:
    if wanted and (found := newest(quick)):
        console.print(f"wrote {write_page(found, HERE.parent / 'docs')}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--page", action="store_true", help="write docs/performance.md")
    parser.add_argument("--list", action="store_true", help="say which benchmarks there are")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
