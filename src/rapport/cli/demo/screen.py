"""How the demo shows itself: chapters, decisions as they come, and at the end what was measured."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rapport.cli.output import console, table

if TYPE_CHECKING:
    from rapport.cli.living import Asked

__all__ = ["Screen"]

_SHORT = {"purchase_propensity": "buy", "escalation_risk": "esc"}
_MOOD = {"negative": "red", "neutral": "default", "positive": "green"}
_EVERY_S = 0.45
_EVERY_PLAIN_S = 2.0


class Screen:
    """Prints from several threads without mixing lines."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._lock = threading.Lock()
        self._console = console(stderr=quiet)
        self._began_s = time.monotonic()
        self._decision_at_s = 0.0
        self._every_s = _EVERY_S if sys.stdout.isatty() else _EVERY_PLAIN_S
        self._headed = False

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        with self._lock:
            self._headed = False
            self._console.print()
            self._console.print(f"[bold]{self._at()}  {title}[/bold]")

    def say(self, text: str) -> None:
        with self._lock:
            self._headed = False
            self._console.print(f"[dim]{self._at()}[/dim]  {_plain(text)}", soft_wrap=True)

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
        with self._lock:
            self._headed = False
            if not self._quiet:
                table(columns, rows, title=title)

    def decision(self, asked: Asked, *, always: bool = False) -> None:
        """One decision, when none was shown just now."""
        now_s = time.monotonic()
        with self._lock:
            if not always and now_s < self._decision_at_s + self._every_s:
                return
            self._decision_at_s = now_s
            if not self._headed:
                self._headed = True
                self._console.print(f"[dim]{_HEAD}[/dim]")
            self._console.print(self._line(asked), soft_wrap=True)

    def _line(self, asked: Asked) -> str:
        decision = asked.decision
        scores = "  ".join(
            f"{short} {decision.scores[name]:.2f}/v{decision.model_versions.get(name, '?')}"
            if name in decision.scores
            else f"{short} -      "
            for name, short in _SHORT.items()
        )
        mood = f"[{_MOOD[decision.sentiment.label]}]{decision.sentiment.label:<8}[/]"
        said = asked.message.replace("\n", " ")
        cells = (
            f"{decision.as_of:%m-%d %H:%M}",
            f"{asked.customer_id:<11.11}",
            f"{decision.segment:<19.19}",
            mood,
            f"{scores:<24}",
            f"{decision.tone:<12.12}",
            f"{decision.template_id:<18.18}",
            f"{asked.latency_ms:5.1f} ms",
            f"[dim]{_plain(said):.48}[/dim]" if said else "",
        )
        return "  ".join(cells)

    def _at(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began_s), 60)
        return f"{minutes}:{seconds:02d}"


_HEAD = (
    f"{'world time':<11}  {'customer':<11}  {'segment':<19}  {'mood':<8}  {'scores/version':<24}  {'tone':<12}  "
    f"{'template':<18}  {'latency':>8}  message"
)


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
