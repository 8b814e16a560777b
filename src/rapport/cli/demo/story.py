"""The demo's story, chapter by chapter."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rapport.cli.demo.measures import Measures, probe_freshness
from rapport.cli.demo.screen import Screen
from rapport.cli.demo.summary import as_dict, rows
from rapport.cli.output import emit
from rapport.errors import RapportError, ServiceError

if TYPE_CHECKING:
    from rapport.cli.demo.worlds import DemoWorld
    from rapport.cli.living import Asked
    from rapport.client import Client
    from rapport.settings import Settings

__all__ = ["Story"]

_CAUGHT_UP_S = 300.0
_CALM_S = 25.0
_NEW_CHAMPION_S = 600.0
_CLOCK_LEAD_S = 1.5
_AFTER_S = 10.0
_PROBES = 100
_POLL_S = 0.2
_FIRINGS = 100_000
_TITLES = {
    "report": "drift report",
    "report_failed": "no drift report",
    "retrain_started": "retraining",
    "promoted": "promoted",
    "refused": "refused by the gate",
    "failed": "retraining failed",
}
"""What of the watch's history is told; too few decisions is no news here."""


class Story:
    """Tells it once, and stops everything that it has started."""

    def __init__(self, settings: Settings, world: DemoWorld, *, stay: bool | None, as_json: bool) -> None:
        self._settings = replace(
            settings, data_dir=settings.data_dir / "demo", redis_url="", mlflow_uri="", **world.drift
        )
        self._world = world
        self._stay = sys.stdin.isatty() and sys.stdout.isatty() if stay is None else stay
        self._as_json = as_json
        self._screen = Screen(quiet=as_json)
        self._measures = Measures()
        self._over = threading.Event()
        self._problem: BaseException | None = None

    def tell(self) -> None:
        """All chapters.

        Raises:
            RapportError: what kept the story from being told.
        """
        from rapport.online import reader_for

        with self._stopped_at_the_end():
            self._begin()
            self._load_history()
            self._first_decision()
            self._train()
            self._reader = reader_for(self._settings, "personalization")
            with self._living():
                self._calm()
                promoted = self._shift_and_wait()
                self._new_champion(promoted)
                self._summarize()
                if self._stay:
                    self._screen.say("the world lives on; Ctrl-C ends it")
                    self._wait(float("inf"))

    @contextmanager
    def _stopped_at_the_end(self) -> Iterator[None]:
        from rapport.supervisor import down

        try:
            yield
        except KeyboardInterrupt:
            self._screen.say("Ctrl-C")
        finally:
            self._over.set()
            self._screen.chapter("Stopping everything")
            down(self._settings)
            self._screen.say("nothing is left running")

    def _begin(self) -> None:
        from rapport.supervisor import Wanted, up
        from rapport.supervisor.control import as_environment

        self._screen.chapter(f"Rapport, in {self._world.title}")
        os.environ.update(as_environment(self._settings))  # Feast's stores read their settings from there
        folder = self._settings.data_dir
        self._empty()
        self._screen.say(f"its data is in {folder}, emptied just now; Redis, flows and service are starting")
        prepared: list[int] = []
        thread = threading.Thread(target=lambda: prepared.append(self._world.prepare(self._screen.say)), daemon=True)
        thread.start()
        state = up(self._settings, Wanted(watch=False))
        self._screen.say("up: " + ", ".join(service.name for service in state.services))
        thread.join()
        if not prepared:
            raise ServiceError("the past of the demo's world could not be made")
        self._present_us = prepared[0]

    def _empty(self) -> None:
        from rapport.supervisor import down

        down(self._settings)
        shutil.rmtree(self._settings.data_dir, ignore_errors=True)

    def _load_history(self) -> None:
        from rapport.bus import open_bus
        from rapport.cli.worldtime import publish_clock
        from rapport.clock import WorldClock, from_us

        self._screen.chapter("History becomes features")
        self._bus = open_bus(self._settings)
        publish_clock(self._settings, WorldClock(anchor_world_us=self._present_us, rate=0.0))
        started = time.monotonic()
        count = self._world.publish_past(self._bus, self._screen.say)
        self._caught_up("ingest", "features")
        seconds = time.monotonic() - started
        self._measures.history_events, self._measures.history_s = count, seconds
        self._screen.say(
            f"{count:,} events up to {from_us(self._present_us):%Y-%m-%d %H:%M} are readable features after "
            f"{seconds:.1f} s: {count / seconds:,.0f} events/s"
        )
        profiles = self._world.seed_profiles(self._settings)
        if profiles:
            self._screen.say(f"{profiles:,} profiles pushed")

    def _first_decision(self) -> None:
        self._screen.chapter("The first decision, before any model is trained")
        with self._client() as client:
            from rapport.cli.living import Asker

            ask = Asker(client, lambda asked: self._screen.decision(asked, always=True))
            decision = ask(self._world.somebody, {"message": "Hello, where is my order?"})
        if ask.failed:
            raise ServiceError(f"the first decision failed: {ask.last_failure}")
        self._measures.first_decision_s = self._measures.since_began_s()
        self._screen.say(f"degraded, and it says so: {', '.join(decision.degraded) or 'no'}")

    def _train(self) -> None:
        self._screen.chapter("Training, the gate, and the first champions")
        self._caught_up("archive")
        started = time.monotonic()
        report = self._command("train", "--promote")
        for one in report["candidates"]:
            self._screen.say(f"{one['name']} version {one['version']}: {_metrics(one['metrics'])}")
        for name, why in report["skipped"].items():
            self._screen.say(f"{name} is not trained: {why}")
        for result in report["gates"]:
            verb = "serves" if result["promoted"] else "does not serve"
            self._screen.say(f"{result['name']} version {result['version']} {verb}: {result['reason']}")
        self._measures.champions_s = time.monotonic() - started

    @contextmanager
    def _living(self) -> Iterator[None]:
        from rapport.cli.worldtime import publish_clock
        from rapport.clock import WorldClock

        lead_us = round(_CLOCK_LEAD_S * 1e6)
        self._clock = WorldClock(time.time_ns() // 1_000 + lead_us, self._present_us, self._world.rate)
        publish_clock(self._settings, self._clock)
        time.sleep(_CLOCK_LEAD_S)
        self._thread = threading.Thread(target=self._live, name="world", daemon=True)
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join(10)

    def _live(self) -> None:
        from rapport.cli.living import Asker

        with self._client() as client:
            self._asker = Asker(client, self._told)
            try:
                self._world.live(self._bus, self._clock, self._asker, self._over)
                if not self._over.is_set():
                    self._stand_still()
            except BaseException as error:
                self._problem = error

    def _stand_still(self) -> None:
        """The data has come to its end, and time with it: labels that looked further would see only silence."""
        from rapport.cli.worldtime import publish_clock
        from rapport.clock import WorldClock, from_us

        now_us = self._clock.now_us()
        publish_clock(self._settings, WorldClock(anchor_world_us=now_us, rate=0.0))
        self._screen.say(f"the data ends here: the world's clock stands still at {from_us(now_us):%Y-%m-%d %H:%M}")

    def _told(self, asked: Asked) -> None:
        self._screen.decision(asked)
        self._measures.latencies_ms.append(asked.latency_ms)
        for name, version in asked.decision.model_versions.items():
            seen = self._measures.versions.setdefault(name, Counter())
            if version not in seen and seen:
                self._screen.say(f"{name} version {version} answers now; the service was not restarted")
            seen[version] += 1

    def _calm(self) -> None:
        self._screen.chapter(f"Live: a day of the world takes {86_400 / self._world.rate:.1f} s")
        until_s = time.monotonic() + _CALM_S
        self._measures.freshness_ms = probe_freshness(
            self._bus, self._reader, self._clock, probes=_PROBES, stopped=self._over.is_set
        )
        self._start_pages()
        self._wait(max(0.0, until_s - time.monotonic()))

    def _shift_and_wait(self) -> dict[str, str]:
        """Change the world, follow what the watch does about it; returns model to version of what was promoted."""
        how = self._world.shift()
        self._screen.chapter("The world shifts" if how else "Watching for drift")
        if how:
            self._screen.say(how)
        promoted: dict[str, str] = {}
        deadline = time.monotonic() + _NEW_CHAMPION_S
        seen = 0
        while not promoted and time.monotonic() < deadline and self._goes_on():
            happenings = self._happenings()
            for happening in happenings[seen:]:
                self._tell_happening(happening)
                if happening.what == "promoted":
                    promoted[happening.model] = happening.version_after
            seen = len(happenings)
            time.sleep(_POLL_S)
        return promoted

    def _happenings(self) -> list[Any]:
        from monitoring.state import read_history

        return list(read_history(self._settings.data_dir / "reports"))

    def _tell_happening(self, happening: Any) -> None:
        title = _TITLES.get(happening.what)
        if title is None:
            return
        self._screen.say(f"{title}: {happening.model}: {happening.why}")
        if happening.report and happening.what == "retrain_started":
            self._measures.report = happening.report

    def _new_champion(self, promoted: dict[str, str]) -> None:
        if not promoted:
            self._screen.say(f"no candidate was better within {_NEW_CHAMPION_S:.0f} s: the champions stay")
            return
        self._screen.chapter("The new champion answers")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._goes_on():
            if all(version in self._measures.versions.get(name, {}) for name, version in promoted.items()):
                break
            if not self._thread.is_alive():
                self._ask_once()
            time.sleep(_POLL_S)
        self._measures.promoted = promoted
        self._wait(_AFTER_S)

    def _ask_once(self) -> None:
        """When the world's data has come to its end, somebody still asks."""
        with self._client() as client:
            self._asker.client = client
            self._asker(self._world.somebody, {})

    def _start_pages(self) -> None:
        from rapport.supervisor import Wanted, up

        try:
            state = up(self._settings, Wanted(watch=True, ui=True))
        except ServiceError as error:
            self._screen.say(f"not all pages are up: {str(error).splitlines()[0]}")
            return
        self._measures.addresses = [
            (service.name, service.address) for service in state.services if service.address.startswith("http")
        ]

    def _summarize(self) -> None:
        self._measures.decisions, self._measures.failed = self._asker.asked, self._asker.failed
        self._tell_firings()
        self._screen.chapter("What was measured, on this machine, all parts sharing it")
        if self._as_json:
            emit(as_dict(self._measures))
            return
        self._screen.rows(("measure", "value"), rows(self._measures))
        self._screen.rows(("page", "address"), self._measures.addresses)

    def _tell_firings(self) -> None:
        """What has fired in the meantime, by trigger, with the reason of the last time."""
        from rapport.triggers.listing import recent_firings

        found = recent_firings(self._bus, _FIRINGS)
        self._measures.firings = dict(Counter(firing.trigger for firing in found))
        if not found:
            return
        self._screen.chapter("What has fired meanwhile (rapport triggers)")
        for name, count in sorted(self._measures.firings.items()):
            last = next(firing for firing in found if firing.trigger == name)
            self._screen.say(f"{name}, {count:,} times; the last, {last.moment:%m-%d %H:%M}: {last.reason}")

    def _goes_on(self) -> bool:
        """Whether the world still lives.

        Raises:
            ServiceError: it ended by an error.
        """
        if self._problem is not None:
            raise ServiceError(f"the demo's world ended: {type(self._problem).__name__}: {self._problem}")
        return not self._over.is_set()

    def _wait(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s and self._goes_on():
            time.sleep(_POLL_S)

    def _caught_up(self, *groups: str) -> None:
        """Wait until these consumers have read everything.

        Raises:
            ServiceError: they have not after minutes.
        """
        from rapport.supervisor.lag import lags

        deadline = time.monotonic() + _CAUGHT_UP_S
        while time.monotonic() < deadline:
            behind = lags(self._settings)
            if behind and not any(count for name, count in behind.items() if name.partition(" ")[0] in groups):
                return
            time.sleep(_POLL_S / 4)
        raise ServiceError(
            f"the flows do not catch up ({behind}): see {self._settings.data_dir / 'logs' / 'flows.log'}"
        )

    def _client(self) -> Client:
        from rapport.client import Client

        return Client.of(self._settings)

    def _command(self, *arguments: str) -> dict[str, Any]:
        """Run a command of Rapport in a process of its own, as a person would; its JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "rapport.cli", *arguments, "--json"],
            cwd=self._settings.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RapportError(f"rapport {arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def _metrics(metrics: dict[str, float]) -> str:
    shown = [name for name in ("auc", "log_loss", "rfm_auc", "base_rate") if name in metrics] or sorted(metrics)[:4]
    return "  ".join(f"{name} {metrics[name]:.3f}" for name in shown)
