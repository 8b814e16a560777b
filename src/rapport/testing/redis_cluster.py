"""A real Redis Cluster on this machine, for tests: a few servers on the loopback, no replicas, gone when closed."""

from __future__ import annotations

import contextlib
import random
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import redis

from rapport.embedded import server_binary

__all__ = ["RedisCluster", "redis_cluster"]

SLOTS = 16_384
_BUS_OFFSET = 10_000
_START_TIMEOUT_S = 60.0


class RedisCluster:
    """Servers that share the hash slots.

    Attributes:
        url: its address, as RAPPORT_STORE_URL takes it.
        nodes: a client of each server.
    """

    def __init__(self, ports: Sequence[int], password: str) -> None:
        self._password = password
        self.ports = list(ports)
        self.url = f"redis+cluster://:{password}@" + ",".join(f"127.0.0.1:{port}" for port in ports)
        self.nodes: list[Any] = [redis.Redis(port=port, password=password) for port in ports]

    def owner(self, slot: int) -> int:
        """The number of the node that has a slot."""
        for start, end, server, *_ in self.nodes[0].execute_command("CLUSTER SLOTS"):
            if int(start) <= slot <= int(end):
                return self.ports.index(int(server[1]))
        raise LookupError(f"slot {slot} belongs to no node")

    @contextlib.contextmanager
    def moving(self, slot: int, source: int, target: int) -> Iterator[list[bytes]]:
        """Move a slot from one node to another: inside, half of its keys have moved, which it gives; then all have."""
        ids = [node.execute_command("CLUSTER MYID").decode() for node in self.nodes]
        self.nodes[target].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
        self.nodes[source].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
        keys = self.nodes[source].execute_command("CLUSTER GETKEYSINSLOT", slot, 100_000)
        half = keys[: (len(keys) + 1) // 2]
        self._migrate(source, target, half)
        yield half
        self._migrate(source, target, self.nodes[source].execute_command("CLUSTER GETKEYSINSLOT", slot, 100_000))
        for number in (target, source, *range(len(self.nodes))):
            self.nodes[number].execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target])

    def _migrate(self, source: int, target: int, keys: Sequence[bytes]) -> None:
        if keys:
            self.nodes[source].execute_command(
                "MIGRATE", "127.0.0.1", self.ports[target], "", 0, 5_000, "AUTH", self._password, "KEYS", *keys
            )


@contextlib.contextmanager
def redis_cluster(folder: Path, nodes: int = 3) -> Iterator[RedisCluster]:
    """Start a cluster whose files are in `folder`, its slots shared evenly."""
    ports, password = _free_ports(nodes), secrets.token_urlsafe(16)
    processes = [_spawn(folder / str(port), port, password) for port in ports]
    cluster = RedisCluster(ports, password)
    try:
        _join(cluster)
        yield cluster
    finally:
        for client in cluster.nodes:
            client.close()
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _spawn(folder: Path, port: int, password: str) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True)
    options = {
        "port": port, "bind": "127.0.0.1", "dir": folder, "requirepass": password, "masterauth": password,
        "cluster-enabled": "yes", "cluster-config-file": "nodes.conf", "cluster-node-timeout": 5_000,
        "appendonly": "no", "save": "",
    }  # fmt: skip
    argv = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    with (folder / "redis.log").open("wb") as log:
        return subprocess.Popen([server_binary(), *argv], stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def _join(cluster: RedisCluster) -> None:
    """Make the servers know each other, and wait until each knows who has which slots."""
    _wait(lambda: all(_answers(node) for node in cluster.nodes), "answer")
    share = -(-SLOTS // len(cluster.nodes))
    for number, node in enumerate(cluster.nodes):
        node.execute_command("CLUSTER ADDSLOTS", *range(number * share, min((number + 1) * share, SLOTS)))
        node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
    for port in cluster.ports[1:]:
        cluster.nodes[0].execute_command("CLUSTER MEET", "127.0.0.1", port)
    _wait(lambda: all(_is_whole(node, len(cluster.nodes)) for node in cluster.nodes), "form a cluster")


def _answers(node: Any) -> bool:
    try:
        return bool(node.ping())
    except redis.ConnectionError:
        return False


def _is_whole(node: Any, count: int) -> bool:
    info = node.execute_command("CLUSTER INFO")
    state = info if isinstance(info, dict) else dict(line.split(":") for line in info.decode().split())
    return state["cluster_state"] == "ok" and int(state["cluster_known_nodes"]) == count


def _wait(done: Any, what: str) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the servers of the cluster did not {what} in {_START_TIMEOUT_S:g} s")
        time.sleep(0.02)


def _free_ports(count: int) -> list[int]:
    """Ports that are free, as are those of the nodes' own talk behind them."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(20_000, 50_000)
        if port not in ports and _is_free(port) and _is_free(port + _BUS_OFFSET):
            ports.append(port)
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
