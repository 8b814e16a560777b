"""`python -m rapport.online`: compile the writer's code ahead of its first use; it stays on disk by the source."""

from __future__ import annotations

from rapport.online.warmup import warm_up_writing
from rapport.windows import Aggregation, Kind, View, compile_view


def main() -> None:
    warm_up_writing([compile_view(View("any", {"value": Kind.FLOAT}, (Aggregation("n", "count", "", None, None),)))])


if __name__ == "__main__":
    main()
