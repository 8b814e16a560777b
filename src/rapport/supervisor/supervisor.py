"""The supervisor itself: the one process that holds the lock and looks after the others."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rapport.errors import RapportError, ServiceError
from rapport.processes import identify
from rapport.supervisor.child import Child
from rapport.supervisor.service import Service, port_is_free
from rapport.supervisor.state import Health, Paths, Phase, State, take_lock, write_state

__all__ = ["Supervisor", "stopped_by_signals"]

_log = logging.getLogger(__name__)
_TICK_S = 0.1
_TRIM_EVERY_S = 30.0


class Supervisor:
    """Runs services until it is told to stop.

    Args:
        services: what to run.
        paths: where state and logs go.
        host: the address whose ports the services bind.
        prepare: done when stage 0 is up and before the others start.
        more: asked now and then for services to start besides those that run.
    """

    def __init__(
        self,
        services: Sequence[Service],
        paths: Paths,
        host: str,
        prepare: Callable[[], None] = lambda: None,
        more: Callable[[], Sequence[Service]] = lambda: (),
    ) -> None:
        self._more = more
        self._children = [Child(service, paths) for service in sorted(services, key=lambda service: service.stage)]
        self._paths = paths
        self._host = host
        self._prepare = prepare
        self._stop = threading.Event()
        me = identify(os.getpid())
        assert me is not None
        self.state = State(Phase.STARTING, me, time.time_ns() // 1_000, [child.state for child in self._children])

    def stop(self) -> None:
        """Ask `run` to stop everything and return. Safe in a signal handler and from other threads."""
        self._stop.set()

    def run(self, on_change: Callable[[State], None] = lambda state: None) -> None:
        """Start everything, keep it running until `stop`, stop everything.

        Raises:
            ServiceError: another supervisor runs, a port is taken, or a service does not come up; all is stopped then.
        """
        lock = take_lock(self._paths.lock)
        if lock is None:
            raise ServiceError(f"Rapport already runs in {self._paths.run.parent}: `rapport status` shows it")
        with lock:
            try:
                self._bring_up(on_change)
                self._look_after(on_change)
            except RapportError as error:
                self.state.phase, self.state.note = Phase.FAILED, str(error)
                raise
            finally:
                self._bring_down(on_change)

    def _bring_up(self, on_change: Callable[[State], None]) -> None:
        self._check_ports(self._children)
        stages = sorted({child.service.stage for child in self._children})
        for number, stage in enumerate(stages):
            started = [child for child in self._children if child.service.stage == stage]
            for child in started:
                child.start()
            self._wait_ready(started, on_change)
            if number == 0 and not self._stop.is_set():
                self._prepare()
        if not self._stop.is_set():
            self.state.phase = Phase.READY
            self._publish(on_change)

    def _look_after(self, on_change: Callable[[State], None]) -> None:
        trim_at_s = 0.0
        while not self._stop.wait(_TICK_S):
            now_s = time.monotonic()
            self._tick(now_s, on_change)
            self._start_more()
            if now_s >= trim_at_s:
                for child in self._children:
                    child.trim_log()
                trim_at_s = now_s + _TRIM_EVERY_S

    def _start_more(self) -> None:
        known = {child.service.name for child in self._children}
        wanted = [Child(service, self._paths) for service in self._more() if service.name not in known]
        if not wanted:
            return
        try:
            self._check_ports(wanted)
        except ServiceError as error:
            self.state.note = str(error)
            return
        self._children += wanted
        self.state.services += [child.state for child in wanted]
        for child in wanted:
            child.start()

    def _tick(self, now_s: float, on_change: Callable[[State], None]) -> None:
        before = [_shown(child) for child in self._children]
        for child in self._children:
            if child.state.health is not Health.WAITING:
                child.tick(now_s)
        if before != [_shown(child) for child in self._children]:
            self._publish(on_change)

    def _wait_ready(self, children: Sequence[Child], on_change: Callable[[State], None]) -> None:
        started_s = time.monotonic()
        self._publish(on_change)
        while not self._stop.is_set() and not all(child.ready for child in children):
            now_s = time.monotonic()
            self._tick(now_s, on_change)
            for child in children:
                late = now_s - started_s > child.service.ready_s and not child.ready
                if child.given_up or late:
                    raise ServiceError(_complaint(child))
            self._stop.wait(_TICK_S)

    def _check_ports(self, children: Sequence[Child]) -> None:
        for child in children:
            service = child.service
            if service.port and not port_is_free(self._host, service.port):
                raise ServiceError(
                    f"port {service.port} of {self._host}, which {service.name} needs, is in use"
                    f"{_holder(service.port)}: stop what uses it, or set RAPPORT_PORT to another one"
                )

    def _bring_down(self, on_change: Callable[[State], None]) -> None:
        failed = self.state.phase is Phase.FAILED
        if not failed:
            self.state.phase = Phase.STOPPING
            self._publish(on_change)
        for stage in sorted({child.service.stage for child in self._children}, reverse=True):
            children = [child for child in self._children if child.service.stage == stage]
            threads = [threading.Thread(target=self._end, args=(child,)) for child in children]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self._publish(on_change)
        self.state.phase = Phase.FAILED if failed else Phase.STOPPED
        self._publish(on_change)

    def _end(self, child: Child) -> None:
        problem = child.stop()
        if problem:
            _log.error("%s", problem)
            self.state.note = problem

    def _publish(self, on_change: Callable[[State], None]) -> None:
        write_state(self._paths.state, self.state)
        on_change(self.state)


@contextmanager
def stopped_by_signals(supervisor: Supervisor) -> Iterator[None]:
    """While it lasts, SIGTERM, SIGINT and SIGHUP stop the supervisor in good order."""
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: supervisor.stop()) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _shown(child: Child) -> tuple[object, ...]:
    return child.state.process, child.state.health, child.state.note, child.state.restarts


def _complaint(child: Child) -> str:
    what = child.state.note or "it does not answer"
    lines = "\n".join(f"  | {line}" for line in child.tail())
    return f"{child.service.name} does not come up: {what}. Its log, {child.state.log}, ends:\n{lines}"


def _holder(port: int) -> str:
    """Who listens on a port, as far as the system lets this user see it."""
    import psutil

    try:
        listeners = [
            c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr and c.laddr.port == port
        ]
        pid = next((pid for pid in listeners if pid), None)
        return f" by process {pid} ({psutil.Process(pid).name()})" if pid else ""
    except psutil.Error:
        return ""
