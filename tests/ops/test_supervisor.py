"""The supervisor with real processes: started in order, restarted, given up, stopped with everything they started."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from rapport.errors import ServiceError
from rapport.processes import HELPLESS, ProcessId, identify, is_alive
from rapport.settings import Settings
from rapport.supervisor.backoff import Backoff
from rapport.supervisor.logs import open_log, tail, trim_log
from rapport.supervisor.service import Service, command, http_answers
from rapport.supervisor.state import Health, Paths, Phase, State, read_state
from rapport.supervisor.supervisor import Supervisor
from rapport.testing.served import wait_for

SLEEP = "import time\nprint('here', flush=True)\nwhile True: time.sleep(0.05)"


class Running:
    """A supervisor in a thread, and what it raised."""

    def __init__(self, services: Sequence[Service], paths: Paths, prepare: Callable[[], None] = lambda: None) -> None:
        self.supervisor = Supervisor(services, paths, "127.0.0.1", prepare)
        self.error: Exception | None = None
        self.seen: list[Phase] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.supervisor.run(lambda state: self.seen.append(state.phase))
        except ServiceError as error:
            self.error = error

    @property
    def state(self) -> State:
        return self.supervisor.state

    def process(self, name: str) -> ProcessId:
        found = self.state.of(name)
        assert found
        assert found.process
        return found.process

    def until(self, happened: Callable[[], bool], timeout_s: float = 15.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not happened():
            assert time.monotonic() < deadline, self.state
            time.sleep(0.02)

    def ready(self) -> Running:
        self.until(lambda: self.state.phase is not Phase.STARTING)
        return self

    def stop(self) -> None:
        self.supervisor.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(Settings(root=tmp_path, data_dir=tmp_path))


@pytest.fixture
def run(paths: Paths) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*services: Service, prepare: Callable[[], None] = lambda: None) -> Running:
        started.append(Running(services, paths, prepare))
        return started[-1]

    yield start
    for running in started:
        running.stop()


def python(name: str, code: str, folder: Path, **more: object) -> Service:
    return Service(name, command([sys.executable, "-c", code], folder=folder), **more)  # type: ignore[arg-type]


def test_stages_come_up_in_order_and_go_down_in_reverse(run, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    leave = f"""
import signal, sys, time
def note(what):
    with open({str(trace)!r}, "a") as file: file.write(what + "\\n")
def bye(*_): note("-" + sys.argv[1]); sys.exit(0)
signal.signal(signal.SIGTERM, bye)
note("+" + sys.argv[1])
while True: time.sleep(0.02)
"""
    prepared: list[str] = []
    services = [
        Service(
            name,
            command([sys.executable, "-c", leave, name], folder=tmp_path),
            check=lambda name=name: "" if trace.exists() and f"+{name}" in trace.read_text() else "not yet",
            stage=stage,
        )
        for name, stage in (("c", 2), ("a", 0), ("b", 1))
    ]
    running = run(*services, prepare=lambda: prepared.append(trace.read_text())).ready()
    assert running.state.phase is Phase.READY
    assert prepared == ["+a\n"]
    running.stop()
    assert trace.read_text().split() == ["+a", "+b", "+c", "-c", "-b", "-a"]
    assert running.seen[-1] is Phase.STOPPED


def test_killed_process_is_started_again_and_what_it_left_is_swept(run, tmp_path: Path) -> None:
    parent = f"""
import subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True)
open("worker", "w").write(str(worker.pid))
while True: time.sleep(0.05)
"""
    running = run(python("parent", parent, tmp_path)).ready()
    running.until(lambda: (tmp_path / "worker").exists() and (tmp_path / "worker").read_text() != "")
    worker = int((tmp_path / "worker").read_text())
    first = running.process("parent")
    os.kill(first.pid, signal.SIGKILL)
    running.until(lambda: running.state.services[0].restarts == 1 and running.state.services[0].health is Health.OK)
    assert running.process("parent") != first
    assert identify(worker) is None
    second = running.process("parent")
    running.stop()
    assert not is_alive(second)


def test_one_that_keeps_dying_is_given_up_loudly(run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    flag = tmp_path / "die"
    code = f"""
import os, time
while not os.path.exists({str(flag)!r}): time.sleep(0.02)
raise SystemExit("the disk is on fire")
"""
    running = run(python("weak", code, tmp_path), python("strong", SLEEP, tmp_path)).ready()
    with caplog.at_level(logging.WARNING):
        flag.touch()
        running.until(lambda: "not started again" in caplog.text)
    assert "the disk is on fire" in caplog.text
    assert running.state.services[0].health is Health.GIVEN_UP
    assert "not started again" in running.state.services[0].note
    assert running.state.services[1].health is Health.OK


def test_one_that_says_that_it_cannot_go_on_is_left_alone(run, tmp_path: Path) -> None:
    code = f"""
import sys
sys.stderr.write("2025-03-01 CRITICAL flows.helpless: the oldest record is gone: do this\\nINFO bye\\n")
sys.exit({HELPLESS})
"""
    running = run(python("strong", SLEEP, tmp_path), python("helpless", code, tmp_path, stage=1, steady_s=0.0))
    running.until(lambda: running.error is not None or running.state.services[-1].health is Health.GIVEN_UP)
    assert "cannot go on: the oldest record is gone: do this" in f"{running.error} {running.state}"
    assert running.state.services[-1].restarts == 0


def test_one_that_never_works_stops_everything_and_shows_its_log(run, tmp_path: Path) -> None:
    dying = python("dying", "raise SystemExit('no such table')", tmp_path, stage=1, steady_s=0.5)
    running = run(python("strong", SLEEP, tmp_path), dying).ready()
    running.until(lambda: running.error is not None)
    assert "no such table" in str(running.error)
    assert running.state.phase is Phase.FAILED
    assert all(service.process is None for service in running.state.services)


def test_taken_port_is_named_before_anything_starts(run, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = run(python("web", SLEEP, tmp_path, port=port))
        running.until(lambda: running.error is not None)
    assert f"port {port}" in str(running.error)
    assert str(os.getpid()) in str(running.error)
    assert not (tmp_path / "logs" / "web.log").exists()


def test_a_second_supervisor_is_refused(run, tmp_path: Path) -> None:
    run(python("a", SLEEP, tmp_path)).ready()
    second = run(python("a", SLEEP, tmp_path))
    second.until(lambda: second.error is not None)
    assert "already runs" in str(second.error)


def test_stubborn_process_is_killed_after_its_grace_but_a_store_is_not(run, tmp_path: Path) -> None:
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen('{}', 'w').close()\n" + SLEEP
    check = {name: (lambda name=name: "" if (tmp_path / name).exists() else "not yet") for name in ("app", "store")}
    running = run(
        python("app", deaf.format("app"), tmp_path, grace_s=0.2, check=check["app"]),
        python("store", deaf.format("store"), tmp_path, grace_s=0.2, patient=True, check=check["store"]),
    ).ready()
    app, store = running.process("app"), running.process("store")
    running.stop()
    assert not is_alive(app)
    assert is_alive(store)
    assert "left running" in running.state.note
    os.kill(store.pid, signal.SIGKILL)


def test_http_health_is_what_the_page_says(run, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    check = http_answers("127.0.0.1", port, "/")
    assert "GET /" in check()
    service = Service(
        "web", command([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"], folder=tmp_path), check
    )
    run(service).ready()
    assert check() == ""
    assert "404" in http_answers("127.0.0.1", port, "/absent")()


def test_state_on_disk_is_the_state(run, paths: Paths, tmp_path: Path) -> None:
    running = run(python("a", SLEEP, tmp_path)).ready()
    stored = read_state(paths.state)
    assert stored
    assert stored.of("a") == running.state.of("a")
    # ready is whoever has gone on for a while, which says nothing of what was printed
    wait_for(lambda: tail(paths.log("a")) == ["here"], "nothing is in the log", 20)


def test_backoff_doubles_and_forgets() -> None:
    backoff = Backoff(first_s=1, most_s=3, quick_s=10, tries=5)
    assert [backoff.died(0) for _ in range(5)] == [1, 2, 3, 3, None]
    calm = Backoff(first_s=1, tries=3)
    assert [calm.died(0), calm.died(0), calm.died(100), calm.died(0), calm.died(0)] == [1, 2, 1, 2, None]


def test_log_over_its_limit_is_put_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "x.log"
    with open_log(path) as log:
        log.write(b"old\n" * 10)
        log.flush()
        assert not trim_log(path, 1_000)
        assert trim_log(path, 10)
        log.write(b"new\n")
    assert path.read_text() == "new\n"
    assert path.with_name("x.log.1").read_text() == "old\n" * 10
    assert path.stat().st_mode & 0o077 == 0
