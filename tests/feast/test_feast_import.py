"""Feast without the checks of its own arguments: imported so by Rapport, and with nothing else changed."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import typeguard
checks = typeguard.typechecked
import rapport.feast
assert typeguard.typechecked is checks
from feast import Entity
Entity(name="customer", join_keys=["customer_id"], description=7)
"""


def test_feast_comes_unchecked_and_typeguard_stays_as_it_was() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
