"""Feast as Rapport imports it: what people write is checked, and nothing else is changed."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, sys, typeguard
checks, environment = typeguard.typechecked, dict(os.environ)
import rapport.feast
assert typeguard.typechecked is checks and dict(os.environ) == environment
from feast import Entity, ValueType, feature_server
assert "feast.metrics" not in sys.modules
try:
    Entity(name="customer", join_keys=["customer_id"], description=7)
except typeguard.TypeCheckError as error:
    print(error)
assert callable(feature_server.start_server)
print(Entity(name="customer", value_type=ValueType.STRING).join_key)
"""


def test_constructors_are_checked_and_the_rest_stays_as_it_was() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", SCRIPT], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == 'argument "description" (int) is not an instance of str\ncustomer\n'
