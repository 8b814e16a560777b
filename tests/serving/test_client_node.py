"""The client for Node and its example shop beside the real service."""

from __future__ import annotations

import pytest
from serving_world import ROOT

from rapport.errors import ServiceError
from rapport.testing.models import NoiseModels
from rapport.testing.node import NodeClient
from rapport.testing.served import Served, free_port


def test_node_beside_the_real_service(served: Served, models: NoiseModels) -> None:
    try:
        node = NodeClient(ROOT)
    except ServiceError as error:
        pytest.skip(str(error))
    env = {"RAPPORT_SERVICE_URL": served.url, "CLOSED_URL": f"http://127.0.0.1:{free_port()}"}
    done = node.test("service", env=env)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
