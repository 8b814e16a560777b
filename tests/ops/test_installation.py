"""A whole installation, with its real processes, in which the tutorial is lived through: up again, killed, down."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapport.errors import ServiceError
from rapport.settings import Settings, load_settings
from rapport.supervisor import Health, Phase, State, Wanted, down, status, up
from rapport.testing.served import wait_for
from tests.ops.processes import belonging_to
from tests.source_tree import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.md"
PATIENCE_S = 120.0


def _five_free_ports() -> int:
    """The first of five neighbouring free ports: the service's, those of the pages, and the metrics'."""
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first < 64_000 and all(_is_free(first + offset) for offset in range(5)):
            return first
    raise RuntimeError("no five neighbouring ports are free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("installation")
    return {"RAPPORT_ROOT": str(ROOT), "RAPPORT_DATA_DIR": str(folder), "RAPPORT_PORT": str(_five_free_ports())}


@pytest.fixture(scope="module")
def settings(environment: dict[str, str]) -> Iterator[Settings]:
    settings = load_settings(environment)
    yield settings
    down(settings)


@pytest.fixture(scope="module")
def tutorial(settings: Settings, environment: dict[str, str]) -> str:
    """Lived through but for its last command, which ends the installation and is given."""
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```", TUTORIAL.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) > 12
    *some, (_, last) = blocks
    _run(
        [f"# {language}\n{text}" if language == "python" else _as_python(text) for language, text in some], environment
    )
    return str(last)


def _run(script: list[str], environment: dict[str, str]) -> None:
    argv = [sys.executable, "-c", "\n".join(script)]
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]


@pytest.fixture
def running(settings: Settings, tutorial: str) -> State:
    found = status(settings)
    assert found
    return found


def _as_python(shell: str) -> str:
    """The lines of a block of commands, each of which must end with 0, as lines of the one script."""
    lines = ["import subprocess, sys"]
    for line in shell.strip().splitlines():
        program, _, arguments = line.partition(" ")
        assert program == "rapport", line
        lines.append(f"print({line!r}, flush=True)")
        lines.append(f'subprocess.run(sys.executable + " -m rapport.cli " + {arguments!r}, shell=True, check=True)')
    return "\n".join(lines)


@pytest.mark.timeout(900)
def test_up_twice_is_one_installation(settings: Settings, running: State) -> None:
    again = up(settings, Wanted(watch=False))
    assert again.supervisor == running.supervisor
    assert [service.process for service in again.services] == [service.process for service in running.services]


@pytest.mark.timeout(600)
def test_killed_processes_come_back_and_lose_nothing(settings: Settings, running: State) -> None:
    import redis

    from rapport.embedded import redis_url

    with redis.Redis.from_url(redis_url(settings)) as client:
        client.set("kept", "yes")
    for name in ("redis", "flows", "archive", "triggers", "metrics", "rebuild", "service"):
        before = running.of(name)
        assert before
        assert before.process
        os.kill(before.process.pid, signal.SIGKILL)
    wait_for(lambda: _works_anew(settings, running), "the killed processes are not back", PATIENCE_S)
    with redis.Redis.from_url(redis_url(settings)) as client:
        assert client.get("kept") == b"yes"


def _works_anew(settings: Settings, before: State) -> bool:
    now = status(settings)
    if now is None or now.phase is not Phase.READY:
        return False
    return all(
        service.health is Health.OK and service.process is not None and service.process != old.process
        for service, old in zip(now.services, before.services, strict=True)
    )


@pytest.mark.timeout(600)
def test_taken_port_is_a_clear_error(settings: Settings, running: State, tmp_path: Path) -> None:
    other = load_settings({"RAPPORT_DATA_DIR": str(tmp_path / "other"), "RAPPORT_PORT": str(settings.port)}, root=ROOT)
    with pytest.raises(ServiceError, match=f"port {settings.port} .* is in use"):
        up(other, Wanted(watch=False))
    assert status(other) is None
    assert belonging_to(other) == []


@pytest.mark.timeout(600)
def test_the_tutorial_leaves_nothing(settings: Settings, tutorial: str, environment: dict[str, str]) -> None:
    assert tutorial == "rapport down\n"
    _run([_as_python(tutorial)], environment)
    assert status(settings) is None
    assert belonging_to(settings) == []
